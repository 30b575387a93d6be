//! Access tokens as real authorization servers give them out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// How long a token is valid: longer than any load test.
const LIFETIME: Duration = Duration::from_hours(24);
const KEY_ID: &str = "loadtest";

/// An issuer with a key of its own, which nobody else has: it is made when it is needed, and stays in memory.
pub(super) struct Issuer {
    key: EncodingKey,
}

impl Issuer {
    /// # Errors
    /// When no key can be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .ok()
            .context("cannot make a P-256 key")?;
        Ok(Self { key: EncodingKey::from_ec_der(pair.as_ref()) })
    }

    /// Its JWK Set, as the gateway reads it from a file.
    ///
    /// # Errors
    /// When the key has no public half.
    pub(super) fn jwks(&self) -> anyhow::Result<String> {
        let mut key = Jwk::from_encoding_key(&self.key, Algorithm::ES256)?;
        key.common.key_id = Some(KEY_ID.to_owned());
        Ok(serde_json::to_string(&JwkSet { keys: vec![key] })?)
    }

    /// A token of about 1 KiB that `loadtest/every-layer` lets through: most of it are the groups of a person.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn token(&self) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let groups: Vec<_> =
            (0..12).map(|number| format!("customer-{number:02}:platform-engineers")).collect();
        let claims = json!({
            "iss": "https://issuer.loadtest.invalid",
            "aud": "portcullis-loadtest",
            "sub": "7f1c2b9e-93d5-4a1c-8e0b-2f6f1d6b1a55",
            "client_id": "portcullis-loadtest",
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
            "jti": "0b6c1f1e-5d0a-4c55-a8a9-6d0d4be6d1a1",
            "scope": "openid profile mcp call delete one",
            "email": "somebody@loadtest.invalid",
            "groups": groups,
        });
        // RFC 9068 §2.1.
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(KEY_ID.to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_as_long_as_real_ones() {
        let length = Issuer::new().unwrap().token().unwrap().len();
        assert!((900..=1150).contains(&length), "{length} bytes");
    }
}
