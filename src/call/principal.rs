//! Who makes a call.

/// Whoever a call is made for, as authentication found.
///
/// Nothing behind the edge stack knows how it was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The issuer of the proof; empty for somebody anonymous.
    pub issuer: Box<str>,
    /// The subject, unique within the issuer; empty for somebody anonymous.
    pub subject: Box<str>,
    /// The OAuth client that acts, if known.
    pub client: Box<str>,
}

impl Principal {
    /// Somebody who did not say who they are.
    pub fn anonymous() -> Self {
        Self::default()
    }
}
