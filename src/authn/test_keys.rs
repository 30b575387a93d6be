//! Keys and tokens of an issuer that exists for one test.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512,
};
use aws_lc_rs::{encoding, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Issuer;

/// Who issues the tokens.
pub(super) const ISSUER: &str = "https://issuer.example";

/// What they are for.
pub(super) const RESOURCE: &str = "https://gate.example/mcp";

/// When they are looked at, in seconds since 1970.
pub(super) const NOW: u64 = 1_800_000_000;

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(super) fn issuer() -> Issuer {
    Issuer { issuer: ISSUER.into(), ..Issuer::default() }
}

/// A private key.
pub(super) enum Signer {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(super) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(super) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The public key as a JWK.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let point = |crv: &str, key: &EcdsaKeyPair| {
            let (x, y) =
                key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": crv, "x": encoded(x), "y": encoded(y), "kid": kid})
        };
        match self {
            Self::Rsa(key) => {
                let key = key.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                let (n, e) =
                    (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({"kty": "RSA", "n": encoded(n), "e": encoded(e), "kid": kid})
            }
            Self::P256(key) => point("P-256", key),
            Self::P384(key) => point("P-384", key),
            Self::Ed25519(key) => {
                let x = encoded(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid})
            }
        }
    }

    /// A signature of the kind that this key makes.
    pub(super) fn sign(&self, message: &str) -> String {
        self.sign_as(message, &RSA_PKCS1_SHA256)
    }

    fn sign_as(&self, message: &str, rsa: &'static dyn signature::RsaEncoding) -> String {
        let (message, random) = (message.as_bytes(), SystemRandom::new());
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(rsa, &random, message, &mut signature).unwrap();
                encoded(&signature)
            }
            Self::P256(key) | Self::P384(key) => encoded(key.sign(&random, message).unwrap()),
            Self::Ed25519(key) => encoded(key.sign(message)),
        }
    }

    /// A token of these texts.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(&signed);
        format!("{signed}.{signature}")
    }

    /// The same with RSASSA-PSS and SHA-512.
    pub(super) fn pss_token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign_as(&signed, &RSA_PSS_SHA512);
        format!("{signed}.{signature}")
    }

    /// The private key as others keep it, of an Ed25519 key.
    pub(super) fn pkcs8(&self) -> Vec<u8> {
        let Self::Ed25519(key) = self else { panic!("no Ed25519 key") };
        let der: encoding::Pkcs8V1Der<'static> = key.as_der().unwrap();
        der.as_ref().to_vec()
    }
}

/// A token whose signature anybody can make who has `secret`.
pub(super) fn hmac_token(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = encoded(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Base64url without padding.
pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of a token that holds, changed by `change`: a member that is null goes.
pub(super) fn claims(change: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "app",
        "iat": NOW - 60, "exp": NOW + 300, "scope": "mcp:read mcp:write", "groups": ["staff"],
        "jti": encoded(digest(&SHA256, b"jti")),
    });
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.shift_remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    serde_json::to_string(claims).unwrap()
}
