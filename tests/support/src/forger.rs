//! Keys that sign anything: good tokens, and every kind of bad one.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Which of a forger's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// RSA of 2048 bits, `kid` `rsa`, for RS256.
    Rsa,
    /// P-256, `kid` `ec`, for ES256.
    Ec,
    /// Ed25519, `kid` `ed`, for `EdDSA`.
    Ed,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rsa, Self::Ec, Self::Ed];

    /// Its `kid`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ec => "ec",
            Self::Ed => "ed",
        }
    }

    /// Its `alg`.
    pub fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa => "RS256",
            Self::Ec => "ES256",
            Self::Ed => "EdDSA",
        }
    }
}

/// An issuer's keys in the hands of a test.
pub struct Forger {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Default for Forger {
    fn default() -> Self {
        Self::new()
    }
}

impl Forger {
    /// New keys.
    pub fn new() -> Self {
        let made = "keys can be made";
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect(made),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(made),
            ed: Ed25519KeyPair::generate().expect(made),
        }
    }

    /// The public half of a key as a JWK.
    pub fn jwk(&self, key: Key) -> Value {
        let (id, alg) = (key.id(), key.algorithm());
        match key {
            Key::Rsa => {
                let PublicKeyComponents { n, e } =
                    PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
                json!({"kty": "RSA", "kid": id, "alg": alg, "use": "sig", "n": encode(n), "e": encode(e)})
            }
            Key::Ec => {
                // 04, x, y: SEC 1 §2.3.3.
                let point = self.ec.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": id, "alg": alg, "use": "sig", "x": encode(x), "y": encode(y)})
            }
            Key::Ed => {
                let x = encode(self.ed.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": alg, "use": "sig", "x": x})
            }
        }
    }

    /// The private half of the Ed25519 key, which no JWKS may hold.
    pub fn private_jwk(&self) -> Value {
        let seed = self.ed.seed().expect("a key has a seed");
        let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().expect("a seed has bytes");
        let mut jwk = self.jwk(Key::Ed);
        jwk["d"] = json!(encode(seed.as_ref()));
        jwk
    }

    /// All public keys as a JWK Set.
    pub fn jwks(&self) -> Value {
        json!({"keys": Key::ALL.map(|key| self.jwk(key))})
    }

    /// The signature of anything by a key.
    pub fn sign(&self, key: Key, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let signed = "a key signs";
        match key {
            Key::Rsa => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect(signed);
                signature
            }
            Key::Ec => self.ec.sign(&random, message).expect(signed).as_ref().to_vec(),
            Key::Ed => self.ed.sign(message).as_ref().to_vec(),
        }
    }

    /// A token of exactly these bytes as header and claims.
    pub fn seal(&self, key: Key, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(key, message.as_bytes());
        format!("{message}.{}", encode(signature))
    }

    /// The same with a secret that both sides know instead of a key: HS256.
    pub fn seal_with_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("{message}.{}", encode(hmac::sign(&secret, message.as_bytes())))
    }

    /// A token with these claims and the header that a good token of this key has.
    pub fn token(&self, key: Key, claims: &Value) -> String {
        let header = json!({"alg": key.algorithm(), "typ": "at+jwt", "kid": key.id()});
        self.seal(key, header.to_string(), claims.to_string())
    }

    /// Seconds since the epoch.
    pub fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
