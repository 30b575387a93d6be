use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::authn::keys::KeySet;
use crate::authn::test_keys::{NOW, RESOURCE, Signer, claims, issuer, now};
use crate::authn::{Digest, Token};
use crate::config::{Glob, Value as _};
use crate::outbound::Trust;

const LEEWAY: Duration = Duration::from_secs(30);

/// What is said of a JWT with the keys of its issuer at hand.
fn explained(token: &str, issuer: &Issuer, keys: &str) -> Explanation {
    let jwt = Jwt::read(token.as_bytes()).unwrap();
    let expected = Expected { issuer, resource: RESOURCE, leeway: LEEWAY, now: now() };
    let (mut explanation, keys) = (Explanation::default(), KeySet::parse(keys.as_bytes()).unwrap());
    let required = ["mcp:read", "mcp:call"].into_iter().collect();
    report::jwt(&mut explanation, &jwt, &expected, &keys, &required);
    explanation
}

#[test]
fn a_good_token_is_explained_line_by_line() {
    let signer = Signer::ed25519();
    let keys = json!({"keys": [signer.jwk("1")]}).to_string();
    let header = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"1"}"#;
    let token = signer.token(header, &claims(&json!({"scope": "mcp:read mcp:call"})));
    let explanation = explained(&token, &issuer(), &keys);
    assert!(explanation.passes());
    insta::assert_snapshot!(explanation);
}

#[test]
fn all_that_is_wrong_is_said_with_what_would_be_right_and_without_the_token() {
    let signer = Signer::ed25519();
    let mut symmetric = json!({"kty": "oct", "k": "AAAA", "kid": "2"});
    symmetric["alg"] = "HS256".into();
    let keys = json!({"keys": [signer.jwk("1"), symmetric]}).to_string();
    let header = r#"{"alg":"EdDSA","typ":"JWT","kid":"1","crit":["mallory"]}"#;
    let wrong = json!({
        "exp": NOW - 3600, "iat": NOW + 120, "nbf": "mallory", "aud": "https://mallory.example",
        "sub": 5, "client_id": {}, "scope": 7, "groups": {"mallory": 1}, "team": "mallory",
    });
    let token = Signer::ed25519().token(header, &claims(&wrong));
    let team = Glob::read("blue-*").unwrap();
    let issuer = Issuer { allowed_claims: vec![("team".into(), team)], ..issuer() };
    let explanation = explained(&token, &issuer, &keys);
    let text = explanation.to_string();
    assert!(!explanation.passes());
    for part in token.split('.').chain(["mallory", "alice"]) {
        assert!(!text.contains(part), "{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_cannot_be_checked_is_said() {
    let (known, other) = (Signer::ed25519(), Signer::p256());
    let keys = json!({"keys": [known.jwk("1")]}).to_string();
    for (header, details) in [
        (r#"{"alg":"ES256","typ":"at+jwt","kid":"2"}"#, "named, of 1 that"),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#, "not named, of 1 that"),
        (r#"{"alg":"none\u001b[31m","typ":"\u001b[31m"}"#, "none that is known"),
    ] {
        let token = other.token(header, &claims(&json!({})));
        let text = explained(&token, &issuer(), &keys).to_string();
        assert!(text.contains(details), "{text}");
        assert!(text.contains("-     signature    not checked"), "{text}");
        assert!(text.contains("-     required     not checked"), "{text}");
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
    }
}

fn around() -> Surroundings {
    Surroundings {
        trust: Arc::new(Trust::new(&[]).unwrap()),
        runtime: Handle::current(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    }
}

async fn of(token: &str, config: &Config, required: &[&str]) -> Explanation {
    let required = required.iter().copied().collect();
    let against = Against { required: &required, resource: Some(RESOURCE), now: now() };
    explain(token.as_bytes(), config, against, &around()).await
}

#[tokio::test]
async fn a_static_token_is_looked_up() {
    let token = Token {
        name: "ci".into(),
        digest: Digest::of(b"sesame"),
        scopes: ["a"].into_iter().collect(),
        ..Token::default()
    };
    let config = Config { mode: Mode::Tokens, tokens: vec![token], ..Config::default() };
    for (token, required, passes, text) in [
        ("sesame", &[][..], true, "ci of auth.tokens"),
        ("sesame", &["a"], true, "all of auth.scopes.required"),
        ("sesame", &["a", "b"], false, "lacks b"),
        ("open", &[], false, "portcullis token new NAME"),
    ] {
        let explanation = of(token, &config, required).await;
        assert_eq!(explanation.passes(), passes, "{explanation}");
        assert!(explanation.to_string().contains(text), "{explanation}");
    }
}

#[tokio::test]
async fn where_no_token_counts_that_is_said() {
    for (mode, passes) in [(Mode::None, true), (Mode::Header, false), (Mode::Mtls, false)] {
        let explanation = of("x", &Config { mode, ..Config::default() }, &[]).await;
        assert_eq!(explanation.passes(), passes, "{explanation}");
        assert!(explanation.to_string().contains("no token is looked at"), "{explanation}");
    }
}

#[tokio::test]
async fn a_token_of_nobody_that_is_known_is_explained() {
    let config = Config { mode: Mode::Oauth, issuers: vec![issuer()], ..Config::default() };
    let stranger = Signer::ed25519()
        .token(r#"{"alg":"EdDSA"}"#, &claims(&json!({"iss": "https://mallory.example"})));
    for (token, text) in [
        (stranger.as_str(), "none of https://issuer.example"),
        ("a.b.c", "base64url without padding"),
        ("opaque", "has introspection to ask about it"),
    ] {
        let explanation = of(token, &config, &[]).await;
        assert!(!explanation.passes());
        let text_found = explanation.to_string();
        assert!(text_found.contains(text) && !text_found.contains("mallory"), "{explanation}");
    }
}

#[test]
fn what_an_issuer_says_of_a_token_is_checked_like_a_token() {
    let said = |change: &Value| {
        let mut said: Map<String, Value> = serde_json::from_str(&claims(change)).unwrap();
        said.insert("active".to_owned(), true.into());
        said
    };
    let issuer = issuer();
    let explained = |change: &Value, required: &[&str]| {
        let expected = Expected { issuer: &issuer, resource: RESOURCE, leeway: LEEWAY, now: now() };
        let (mut explanation, needed) =
            (Explanation::default(), required.iter().copied().collect());
        report::answer(&mut explanation, &said(change), &expected, &needed);
        explanation
    };
    let good = explained(&json!({"token_type": "Bearer"}), &["mcp:read"]);
    assert!(good.passes());
    insta::assert_snapshot!(good);
    for (change, required, line) in [
        (json!({"aud": null}), "mcp:read", "FAIL  audience     has to be https://gate.example/mcp"),
        (json!({"token_type": "DPoP"}), "mcp:read", "FAIL  type         DPoP, of"),
        (json!({"exp": NOW - 60}), "mcp:read", "FAIL  expiry       1m ago"),
        (json!({}), "mcp:admin", "FAIL  required     lacks mcp:admin"),
    ] {
        let explanation = explained(&change, &[required]);
        assert!(!explanation.passes(), "{explanation}");
        assert!(explanation.to_string().contains(line), "{explanation}");
    }
}

#[tokio::test]
async fn what_no_header_can_carry_is_no_token() {
    for mode in [Mode::Oauth, Mode::Tokens] {
        let explanation = of("two words", &Config { mode, ..Config::default() }, &[]).await;
        assert!(!explanation.passes());
        assert!(explanation.to_string().contains("characters that no token has"), "{explanation}");
    }
}
