//! What becomes of a token, told from the outside.

mod grants;
mod rows;
mod seeds;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::*;
use crate::authn::test_keys::{ISSUER, RESOURCE, Signer, claims, issuer, now};
use crate::authn::{Refusal, try_token};
use rows::{Keys, rows};

/// In one word.
fn outcome(line: &[u8], jwks: &str, now: SystemTime) -> String {
    match try_token(line, &issuer(), jwks.as_bytes(), RESOURCE, now) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => refusal.reason().to_owned(),
    }
}

#[test]
fn every_token_gets_the_answer_it_must_get() {
    let keys = Keys::make();
    let rows = rows(&keys);
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let found = outcome(&row.line, &keys.jwks, now());
            (found != row.outcome).then(|| format!("{}: {found}, not {}", row.name, row.outcome))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let bad = rows.iter().filter(|row| row.outcome != "ok").count();
    assert!(bad >= 45, "{bad} bad tokens");
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
}

#[test]
fn a_fault_names_its_issuer_and_repeats_nothing_of_the_token() {
    let keys = Keys::make();
    for row in rows(&keys) {
        let Err(refusal) = try_token(&row.line, &issuer(), keys.jwks.as_bytes(), RESOURCE, now())
        else {
            continue;
        };
        let text = refusal.to_string();
        for secret in ["alice", "mallory", "evil", "mcp:", "jti", "eyJ"] {
            assert!(!text.contains(secret), "{}: {text}", row.name);
        }
        if let Refusal::Invalid(fault) = &refusal {
            let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
            assert!(fault.message.bytes().all(plain), "{}: {text}", row.name);
            assert!(fault.message.len() < 130, "{}: {text}", row.name);
        }
    }
}

#[test]
fn a_key_that_is_not_known_may_be_new_and_anything_else_is_final() {
    let (known, new) = (Signer::ed25519(), Signer::ed25519());
    let keys = KeySet::parse(serde_json::json!({"keys": [known.jwk("1")]}).to_string().as_bytes())
        .unwrap();
    let issuer = issuer();
    let expected =
        Expected { issuer: &issuer, resource: RESOURCE, leeway: Duration::ZERO, now: now() };
    let verify = |signer: &Signer, header: &str, claims: &str| {
        let token = signer.token(header, claims);
        Jwt::read(token.as_bytes()).unwrap().verify(&expected, &keys).unwrap_err()
    };
    let plain = claims(&serde_json::json!({}));
    let unknown = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"2"}"#;
    assert_eq!(verify(&new, unknown, &plain), Disbelief::UnknownKey);
    let unnamed = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
    assert_eq!(verify(&new, unnamed, &plain), Disbelief::UnknownKey);
    let other_kind = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    assert_eq!(verify(&new, other_kind, &plain), Disbelief::UnknownKey);
    let expired = claims(&serde_json::json!({"exp": 1_000_000}));
    for (header, claims, reason) in [
        (r#"{"alg":"EdDSA","typ":"at+jwt","kid":"1"}"#, &plain, "signature"),
        (r#"{"alg":"ES256","typ":"at+jwt","kid":"1"}"#, &plain, "algorithm"),
        (unknown, &expired, "expiry"),
    ] {
        let Disbelief::Fault(fault) = verify(&new, header, claims) else { panic!("{header}") };
        assert_eq!((fault.reason, fault.issuer.as_deref()), (reason, Some(ISSUER)), "{header}");
    }
    let fault = Disbelief::UnknownKey.into_fault(&issuer);
    assert_eq!((fault.reason, fault.issuer.as_deref()), ("key", Some(ISSUER)));
}

#[test]
fn a_token_does_not_show_itself() {
    let token = Signer::ed25519().token(r#"{"alg":"EdDSA"}"#, &claims(&serde_json::json!({})));
    assert_eq!(format!("{:?}", Jwt::read(token.as_bytes()).unwrap()), "Jwt { .. }");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_panic(line: Vec<u8>, header: String, claims: String) {
        let _ = try_token(&line, &issuer(), b"{\"keys\":[]}", RESOURCE, now());
        let encoded = crate::authn::test_keys::encoded;
        let token = format!("Bearer {}.{}.AAAA", encoded(header), encoded(claims));
        let _ = try_token(token.as_bytes(), &issuer(), b"{\"keys\":[]}", RESOURCE, now());
    }

    #[test]
    fn a_byte_that_is_changed_makes_a_token_worthless(at in 0_usize..10_000, change in 1_u8..=255) {
        let (token, jwks) = &*GOOD;
        let mut line = token.clone().into_bytes();
        let at = "Bearer ".len() + at % (line.len() - "Bearer ".len());
        line[at] ^= change;
        // Space around the token is no part of it.
        if !line[at].is_ascii_whitespace() {
            proptest::prop_assert_ne!(outcome(&line, jwks, now()), "ok");
        }
    }
}

/// A header that lets its sender in, and the keys that it is signed with.
static GOOD: std::sync::LazyLock<(String, String)> = std::sync::LazyLock::new(|| {
    let signer = Signer::p256();
    let header = r#"{"alg":"ES256","typ":"at+jwt","kid":"1"}"#;
    let token = signer.token(header, &claims(&serde_json::json!({})));
    let jwks = serde_json::json!({"keys": [signer.jwk("1")]});
    (format!("Bearer {token}"), jwks.to_string())
});
