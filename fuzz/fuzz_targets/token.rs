//! The way of a token: header `Authorization`, JWT, keys.
//!
//! What comes is the header's value; or, if it begins with a brace, a token's header and claims, a line each, which
//! are signed here as nobody could guess a signature; or, if it begins with a bracket, the list of an issuer's keys.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use portcullis::authn::{Issuer, try_token};

const JWKS: &[u8] = include_bytes!("../keys.json");
const ISSUER: &str = "https://issuer.example";
const RESOURCE: &str = "https://gate.example/mcp";
const GOOD_HEADER: &[u8] = br#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#;
const GOOD_CLAIMS: &[u8] =
    br#"{"iss":"https://issuer.example","aud":"https://gate.example/mcp","sub":"a","exp":1800000300}"#;

static SIGNER: LazyLock<EncodingKey> =
    LazyLock::new(|| EncodingKey::from_ed_der(include_bytes!("../ed25519.pk8")));

fn issuer() -> Issuer {
    Issuer { issuer: ISSUER.into(), ..Issuer::default() }
}

/// The second in which all tokens are looked at.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), &SIGNER, Algorithm::EdDSA).expect("the key is one");
    format!("Bearer {message}.{signature}")
}

fuzz_target!(|data: &[u8]| {
    let line = match data.first() {
        Some(b'{') => {
            let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            signed(&data[..end], data.get(end + 1..).unwrap_or_default()).into_bytes()
        }
        Some(b'[') => {
            let jwks = [br#"{"keys":"#, data, b"}"].concat();
            let _ = try_token(signed(GOOD_HEADER, GOOD_CLAIMS).as_bytes(), &issuer(), &jwks, RESOURCE, now());
            return;
        }
        _ => data.to_vec(),
    };
    let Ok(principal) = try_token(&line, &issuer(), JWKS, RESOURCE, now()) else { return };
    assert_eq!(&*principal.issuer, ISSUER);
    assert!(!principal.subject.is_empty());
    assert!(principal.expires.is_some_and(|expires| expires + Duration::from_secs(30) > now()));
});
