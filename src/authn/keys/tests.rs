use serde_json::{Value, json};

use super::*;
use crate::authn::test_keys::{Signer, encoded};

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn with(mut key: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

/// Why a key is not used.
fn why(key: Value) -> &'static str {
    let set = set(&[key]);
    assert_eq!(set.len() + set.left_out().len(), 1);
    set.left_out().first().map_or("", |key| key.why)
}

#[test]
fn a_key_that_is_of_no_use_is_left_out_for_a_stated_reason() {
    let (rsa, p256, ed25519) = (Signer::rsa(), Signer::p256(), Signer::ed25519());
    let (rsa, p256, ed25519) = (rsa.jwk("1"), p256.jwk("1"), ed25519.jwk("1"));
    let zeros = "A".repeat(42);
    for (name, key, reason) in [
        ("private EC", with(p256.clone(), &json!({"d": "AAAA"})), "it is private"),
        ("private RSA", with(rsa.clone(), &json!({"d": "AAAA"})), "it is private"),
        ("a prime of RSA", with(rsa.clone(), &json!({"p": "AAAA"})), "it is private"),
        ("private OKP", with(ed25519.clone(), &json!({"d": "AAAA"})), "it is private"),
        ("symmetric", json!({"kty": "oct", "k": "AAAA"}), "it is symmetric"),
        ("symmetric without k", json!({"kty": "oct"}), "it is symmetric"),
        ("symmetric in disguise", with(rsa.clone(), &json!({"k": "AAAA"})), "it is symmetric"),
        ("for encryption", with(rsa.clone(), &json!({"use": "enc"})), "its use"),
        ("not to verify", with(rsa.clone(), &json!({"key_ops": ["encrypt"]})), "its key_ops"),
        ("alg of encryption", with(rsa.clone(), &json!({"alg": "RSA-OAEP"})), "its alg is none"),
        ("alg HS256", with(rsa.clone(), &json!({"alg": "HS256"})), "its alg is none"),
        ("alg of another kty", with(rsa.clone(), &json!({"alg": "ES256"})), "its alg does not"),
        ("alg of another crv", with(p256.clone(), &json!({"alg": "ES384"})), "its alg does not"),
        ("short RSA", with(rsa.clone(), &json!({"n": encoded([0xff; 128])})), "its modulus"),
        (
            "2040 bits and zeros",
            with(
                rsa.clone(),
                &json!({"n": encoded(
            [&[0; 8][..], &[0xff; 255]].concat())}),
            ),
            "its modulus",
        ),
        ("huge RSA", with(rsa.clone(), &json!({"n": encoded([0xff; 2048])})), "its modulus"),
        ("exponent 1", with(rsa.clone(), &json!({"e": "AQ"})), "it is no RSA key"),
        ("even exponent", with(rsa.clone(), &json!({"e": "Ag"})), "it is no RSA key"),
        ("exponent 0", with(rsa.clone(), &json!({"e": "AA"})), "it is no RSA key"),
        ("other curve", with(p256.clone(), &json!({"crv": "P-521"})), "its kty and crv"),
        ("secp256k1", with(p256.clone(), &json!({"crv": "secp256k1"})), "its kty and crv"),
        ("X25519", with(ed25519.clone(), &json!({"crv": "X25519"})), "its kty and crv"),
        ("short x", with(p256.clone(), &json!({"x": "AAAA"})), "its x or y"),
        ("short OKP", with(ed25519.clone(), &json!({"x": "AAAA"})), "its x has not"),
        ("padding", with(ed25519.clone(), &json!({"x": format!("{zeros}A=")})), "a member is not"),
        ("no y", with(p256.clone(), &json!({"y": null})), "a member is missing"),
        ("kid is a number", with(p256.clone(), &json!({"kid": 5})), "it is not a key"),
        ("text", json!("key"), "it is not a key"),
        ("nothing", json!({}), "it is not a key"),
    ] {
        let why = why(key);
        assert!(why.starts_with(reason), "{name}: {why:?}");
    }
    for (name, key) in [
        ("rsa", with(rsa, &json!({"use": "sig", "alg": "PS256", "x5c": ["AAAA"]}))),
        ("p256", with(p256, &json!({"key_ops": ["verify"], "x5u": "https://evil.example"}))),
        ("ed25519", with(ed25519, &json!({"alg": "Ed25519", "new": {"d": 1}}))),
    ] {
        assert_eq!(why(key), "", "{name}");
    }
}

#[test]
fn a_key_whose_private_half_is_published_is_not_used_anywhere() {
    let (leaked, good) = (Signer::p256(), Signer::p256());
    let private = with(leaked.jwk("1"), &json!({"d": "AAAA"}));
    let set = set(&[leaked.jwk("2"), good.jwk("3"), private]);
    assert_eq!(set.len(), 1);
    assert_eq!(set.left_out().iter().map(|key| key.position).collect::<Vec<_>>(), [1, 3]);
    let candidates = set.candidates(Some("2"), Algorithm::Es256);
    assert!(matches!(candidates, Candidates::Unknown), "{candidates:?}");
}

#[test]
fn a_document_that_is_no_set_of_keys_is_refused() {
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 10_000].join(","));
    let thousand = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 1_000].join(","));
    let large = format!(r#"{{"keys":[],"pad":"{}"}}"#, "x".repeat(1024 * 1024));
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (name, document) in [
        ("10,000 keys", many.as_str()),
        ("large", &large),
        ("deep", &deep),
        ("keys are text", r#"{"keys":"secret"}"#),
        ("no keys", r#"{"error":"secret"}"#),
        ("keys twice", r#"{"keys":[],"keys":[]}"#),
        ("a list", "[]"),
        ("cut off", r#"{"keys":["#),
        ("a page", "<html>secret</html>"),
        ("nothing", ""),
    ] {
        let Err(error) = KeySet::parse(document.as_bytes()) else {
            // Depth costs nothing where nobody looks, and no key is found in it.
            assert_eq!(name, "deep");
            continue;
        };
        assert!(!error.to_string().contains("secret"), "{name}: {error}");
    }
    assert_eq!(KeySet::parse(thousand.as_bytes()).unwrap().left_out().len(), 1_000);
    assert_eq!(set(&[]).len(), 0);
}

#[test]
fn keys_are_found_by_exact_name_and_by_kind() {
    let (one, two, rsa) = (Signer::p256(), Signer::p256(), Signer::rsa());
    let nameless = with(rsa.jwk(""), &json!({"kid": null}));
    let set = set(&[one.jwk("a"), two.jwk("a"), rsa.jwk("b"), nameless]);
    let count = |kid, algorithm| match set.candidates(kid, algorithm) {
        Candidates::Keys(keys) => Some(keys.len()),
        Candidates::OtherAlgorithm => Some(0),
        Candidates::Unknown => None,
    };
    for (kid, algorithm, expected) in [
        (Some("a"), Algorithm::Es256, Some(2)),
        (Some("a"), Algorithm::Es384, Some(0)),
        (Some("a"), Algorithm::Rs256, Some(0)),
        (Some("b"), Algorithm::Ps512, Some(1)),
        (Some("A"), Algorithm::Es256, None),
        (Some(""), Algorithm::Rs256, None),
        (None, Algorithm::Rs256, Some(2)),
        (None, Algorithm::Es256, Some(2)),
        (None, Algorithm::EdDsa, None),
    ] {
        assert_eq!(count(kid, algorithm), expected, "{kid:?} {algorithm:?}");
    }
}

#[test]
fn a_token_without_a_name_tries_few_keys() {
    let keys: Vec<_> = (0..50).map(|_| Signer::ed25519().jwk("x")).collect();
    let set = set(&keys);
    let Candidates::Keys(keys) = set.candidates(None, Algorithm::EdDsa) else { panic!("none") };
    assert_eq!(keys.len(), MAX_TRIED);
}

#[test]
fn a_set_is_within_another_that_has_all_of_its_keys() {
    let (one, two, three) = (Signer::p256().jwk("1"), Signer::p256().jwk("2"), Signer::p256());
    let both = set(&[one.clone(), two.clone()]);
    assert!(set(std::slice::from_ref(&one)).is_within(&both));
    assert!(both.is_within(&set(&[two.clone(), one.clone()])));
    assert!(set(&[]).is_within(&both) && !both.is_within(&set(&[])));
    assert!(!both.is_within(&set(&[one.clone(), three.jwk("2")])), "another key of that name");
    assert!(!both.is_within(&set(&[one, with(two, &json!({"use": "enc"}))])), "not for signing");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_published_makes_it_panic(document: String, n: Vec<u8>, e: Vec<u8>) {
        let _ = KeySet::parse(document.as_bytes());
        let key = json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)});
        proptest::prop_assert_eq!(set(&[key]).len(), 0);
    }
}
