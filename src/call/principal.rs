//! Who makes a call.

use std::time::SystemTime;

/// Whoever a call is made for, as authentication found.
///
/// Nothing behind the edge stack knows how it was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The issuer of the proof; empty for somebody anonymous, [`issuer`] for what is no OAuth.
    pub issuer: Box<str>,
    /// The subject, unique within the issuer; empty for somebody anonymous.
    pub subject: Box<str>,
    /// The OAuth client that acts, if known.
    pub client: Box<str>,
    /// Who it is.
    pub kind: PrincipalKind,
    /// What the proof was granted for (RFC 6749 §3.3).
    pub scopes: Names,
    /// The groups that the issuer says it is in.
    pub groups: Names,
    /// When the proof ceases to hold, if it does.
    pub expires: Option<SystemTime>,
}

/// Who a principal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// Nobody knows.
    #[default]
    Anonymous,
    /// A human being, or a client that acts for one.
    Person,
    /// A program in its own name.
    Service,
}

/// Issuers of proofs that no authorization server issued.
pub mod issuer {
    /// `auth.tokens`; the subject is the token's name.
    pub const TOKENS: &str = "urn:portcullis:tokens";
    /// Headers of a trusted proxy.
    pub const HEADER: &str = "urn:portcullis:header";
    /// A client certificate; the subject is the SPIFFE id or DNS name in it.
    pub const MTLS: &str = "urn:portcullis:mtls";
}

impl Principal {
    /// Somebody who did not say who they are.
    pub fn anonymous() -> Self {
        Self::default()
    }
}

/// A set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names(Box<[Box<str>]>);

impl Names {
    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|it| (**it).cmp(name)).is_ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_set() {
        let names: Names = ["b", "a", "b"].into_iter().collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(names.contains("a") && !names.contains("c") && !Names::default().contains(""));
    }
}
