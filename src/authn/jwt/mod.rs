//! JSON Web Tokens as access tokens (RFC 7519, RFC 9068).

mod checks;
mod json;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Fault;
use super::claims::{Claims, Disbelief, Expected, Strict};
use super::keys::KeySet;
use crate::call::Principal;

/// The largest token that is read. Issuers that put a person's groups into it come to a few KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The largest header of a token, as it is written there.
const MAX_HEADER_BYTES: usize = 4 * 1024;

/// A token that is a JWT by its shape; nothing in it is believed yet.
pub(super) struct Jwt<'t> {
    header: Map<String, Value>,
    claims: Claims,
    /// What the signature is under.
    signed: &'t [u8],
    /// The signature as it is written there.
    signature: &'t str,
}

/// Without what is in it.
impl std::fmt::Debug for Jwt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwt").finish_non_exhaustive()
    }
}

const SIZE: Fault = Fault::new("size", "the token has more than 16 KiB, or its header more than 4");
const SHAPE: Fault =
    Fault::new("shape", "a JSON Web Token is three parts with dots between, none of them empty");
const ENCODING: Fault =
    Fault::new("encoding", "each part of the token has to be base64url without padding");
const JSON: Fault = Fault::new(
    "json",
    "header and claims of the token have to be JSON objects, at most 16 deep, with each name once",
);

impl<'t> Jwt<'t> {
    /// Whether a token has the shape of a JWT: two dots (RFC 7515 §3.1).
    pub(super) fn is_one(token: &[u8]) -> bool {
        memchr::memchr_iter(b'.', token).count() == 2
    }

    /// Reads a token without believing it.
    ///
    /// # Errors
    /// When nobody could tell what it says.
    pub(super) fn read(token: &'t [u8]) -> Result<Self, Fault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SIZE);
        }
        let text = std::str::from_utf8(token).map_err(|_| ENCODING)?;
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SHAPE);
        };
        if [header, claims, signature].contains(&"") {
            return Err(SHAPE);
        }
        if header.len() > MAX_HEADER_BYTES {
            return Err(SIZE);
        }
        decoded(signature)?;
        Ok(Self {
            header: json::object(&decoded(header)?).ok_or(JSON)?,
            claims: json::object(&decoded(claims)?).ok_or(JSON)?,
            signed: &token[..header.len() + 1 + claims.len()],
            signature,
        })
    }

    /// Who it says has issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// A member of its header that is a string.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// Its claims.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whoever it is for, if it holds.
    ///
    /// # Errors
    /// See [`Disbelief`]; a fault names the expected issuer.
    pub(super) fn verify(
        &self,
        expected: &Expected<'_>,
        keys: &KeySet,
    ) -> Result<Principal, Disbelief> {
        let principal = self.examine(expected, keys, &mut Strict)?;
        Ok(principal.expect("whoever stops at the first failure has none behind them"))
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| ENCODING)
}

#[cfg(test)]
mod tests;
