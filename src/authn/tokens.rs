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

    /// Whoever holds `token`. Nobody learns about a digest from how long the look-up takes: it is
    /// not theirs to choose.
    pub(super) fn find(&self, token: &[u8]) -> Result<Arc<Principal>, Refusal> {
        let found = self.0.get(&Digest::of(token)).cloned();
        found.ok_or(Refusal::Invalid(Fault::new("unknown", "it is none of auth.tokens")))
    }
}
