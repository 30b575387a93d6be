//! Static bearer tokens.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Digest, Fault, Refusal, Token};
use crate::call::{Principal, PrincipalKind, issuer};

/// The tokens that count, by their digests.
#[derive(Debug)]
pub(super) struct Tokens(HashMap<Digest, Arc<Principal>>);

impl Tokens {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let holder = |token: &Token| {
            let principal = Principal {
                issuer: issuer::TOKENS.into(),
                subject: token.name.clone(),
                client: token.name.clone(),
                kind: PrincipalKind::Service,
                scopes: token.scopes.clone(),
                groups: token.groups.clone(),
                expires: None,
            };
            (token.digest, Arc::new(principal))
        };
        Self(tokens.iter().map(holder).collect())
    }

    /// Whoever holds `token`. What is looked up is its digest, which nobody can choose, and digests
    /// are compared in constant time: how long it takes tells nothing of those that are there.
    pub(super) fn find(&self, token: &[u8]) -> Result<Arc<Principal>, Refusal> {
        let found = self.0.get(&Digest::of(token)).cloned();
        found.ok_or(Refusal::Invalid(Fault::new("unknown", "it is none of auth.tokens")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, text: &str, scopes: &[&str]) -> Token {
        Token {
            name: name.into(),
            digest: Digest::of(text.as_bytes()),
            scopes: scopes.iter().copied().collect(),
            groups: ["team"].into_iter().collect(),
        }
    }

    #[test]
    fn whoever_holds_a_token_is_the_service_of_its_name() {
        let tokens = Tokens::new(&[token("ci", "sesame", &["a", "b"]), token("cd", "open", &[])]);
        let found = tokens.find(b"sesame").expect("a token");
        let expected = Principal {
            issuer: "urn:portcullis:tokens".into(),
            subject: "ci".into(),
            client: "ci".into(),
            kind: PrincipalKind::Service,
            scopes: ["a", "b"].into_iter().collect(),
            groups: ["team"].into_iter().collect(),
            expires: None,
        };
        assert_eq!(*found, expected);
        assert_eq!(&*tokens.find(b"open").expect("a token").subject, "cd");
    }

    #[test]
    fn whatever_is_no_token_is_refused_and_nothing_is_shown() {
        let tokens = Tokens::new(&[token("ci", "sesame", &[])]);
        let digest = Digest::of(b"sesame").to_string();
        for wrong in ["", "Sesame", "sesame ", "sesam", "ci", digest.as_str()] {
            let refusal = tokens.find(wrong.as_bytes()).expect_err(wrong);
            let fault = Fault::new("unknown", "it is none of auth.tokens");
            assert_eq!(refusal, Refusal::Invalid(fault), "{wrong}");
        }
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("sesame") && !shown.contains(&digest), "{shown}");
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        use crate::config::Value as _;

        let digest = Digest::of(b"sesame");
        let text = digest.to_string();
        assert_eq!(Digest::read(&text), Ok(digest));
        assert_eq!(Digest::read(&text.to_uppercase()), Ok(digest));
        let (short, long) = (&text[..62], format!("{text}00"));
        for wrong in ["", short, &long, &"g".repeat(64), &"é".repeat(32), "sesame"] {
            assert!(Digest::read(wrong).is_err(), "{wrong}");
        }
        assert_ne!(digest, Digest::of(b"other"));
    }
}
