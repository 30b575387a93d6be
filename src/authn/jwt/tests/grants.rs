//! What a token that holds comes to.

use std::time::Duration;

use serde_json::{Value, json};

use super::rows::HEADER;
use super::*;
use crate::authn::{Config, Issuer};
use crate::call::{Names, PrincipalKind};
use crate::config::{Glob, Value as _};

/// Who a token with these claims is for.
fn principal(issuer: &Issuer, change: &Value) -> Result<Principal, &'static str> {
    let signer = Signer::ed25519();
    let jwks = json!({"keys": [signer.jwk("ed")]}).to_string();
    let line = format!("Bearer {}", signer.token(HEADER, &claims(change)));
    try_token(line.as_bytes(), issuer, jwks.as_bytes(), RESOURCE, now())
        .map_err(|refusal| refusal.reason())
}

fn names(names: &[&str]) -> Names {
    names.iter().copied().collect()
}

fn glob(text: &str) -> Glob {
    Glob::read(text).unwrap()
}

#[test]
fn a_token_is_for_whom_its_issuer_says() {
    let found = principal(&issuer(), &json!({})).unwrap();
    let expected = Principal {
        issuer: ISSUER.into(),
        subject: "alice".into(),
        client: "app".into(),
        kind: PrincipalKind::Person,
        scopes: names(&["mcp:read", "mcp:write"]),
        groups: names(&["staff"]),
        expires: Some(now() + Duration::from_mins(5)),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_client_in_its_own_name_is_a_service() {
    for (change, client, kind) in [
        (json!({}), "app", PrincipalKind::Person),
        (json!({"client_id": null, "azp": "other"}), "other", PrincipalKind::Person),
        (json!({"azp": "other"}), "app", PrincipalKind::Person),
        (json!({"client_id": null}), "", PrincipalKind::Person),
        (json!({"sub": "app"}), "app", PrincipalKind::Service),
        (json!({"sub": null}), "app", PrincipalKind::Service),
    ] {
        let found = principal(&issuer(), &change).unwrap();
        assert_eq!((&*found.client, found.kind), (client, kind), "{change}");
        let subject = if kind == PrincipalKind::Service { "app" } else { "alice" };
        assert_eq!(&*found.subject, subject, "{change}");
    }
}

#[test]
fn the_subject_is_the_claim_that_the_configuration_names() {
    let issuer = Issuer { subject_claim: "email".into(), ..issuer() };
    let found = principal(&issuer, &json!({"email": "alice@example.com"})).unwrap();
    assert_eq!(&*found.subject, "alice@example.com");
    for change in [json!({}), json!({"email": ["alice@example.com"]}), json!({"email": ""})] {
        assert_eq!(principal(&issuer, &change), Err("subject"), "{change}");
    }
}

#[test]
fn scopes_stand_in_the_first_of_their_claims_and_are_filtered() {
    for (change, scopes) in [
        (json!({"scope": "a  b a "}), &["a", "b"][..]),
        (json!({"scope": ["b", "a"]}), &["a", "b"]),
        (json!({"scope": null}), &[]),
        (json!({"scope": null, "scp": "c"}), &["c"]),
        (json!({"scope": "a", "scp": "c"}), &["a"]),
        (json!({"scope": "", "scp": "c"}), &[]),
    ] {
        assert_eq!(principal(&issuer(), &change).unwrap().scopes, names(scopes), "{change}");
    }
    let issuer = Issuer {
        allowed_scopes: vec![glob("mcp:*"), glob("x")],
        scopes_claims: vec!["perms".into()],
        ..issuer()
    };
    let found = principal(&issuer, &json!({"perms": "mcp:read admin x xx"})).unwrap();
    assert_eq!(found.scopes, names(&["mcp:read", "x"]));
}

#[test]
fn groups_stand_in_the_claim_that_the_configuration_names() {
    let issuer = Issuer { groups_claim: "roles".into(), ..issuer() };
    for (change, groups) in [
        (json!({"roles": ["b", "a b"]}), &["a b", "b"][..]),
        (json!({"roles": "one two"}), &["one two"]),
        (json!({}), &[]),
    ] {
        assert_eq!(principal(&issuer, &change).unwrap().groups, names(groups), "{change}");
    }
}

#[test]
fn claims_have_to_look_as_the_configuration_says() {
    let allowed_claims =
        vec![("repository".into(), glob("acme/*")), ("ref".into(), glob("refs/heads/?ain"))];
    let issuer = Issuer { allowed_claims, ..issuer() };
    let right = json!({"repository": "acme/deep/down", "ref": "refs/heads/main"});
    assert!(principal(&issuer, &right).is_ok());
    for change in [
        json!({"repository": "evil/acme/x", "ref": "refs/heads/main"}),
        json!({"repository": "acme/x"}),
        json!({"repository": "acme/x", "ref": ["refs/heads/main"]}),
        json!({"repository": "acme/x", "ref": 5}),
    ] {
        assert_eq!(principal(&issuer, &change), Err("claims"), "{change}");
    }
}

#[test]
fn audiences_of_the_configuration_take_the_place_of_the_resource() {
    let issuer = Issuer { allowed_audiences: vec!["mcp".into(), "https://B/".into()], ..issuer() };
    for (audience, result) in [
        (json!("mcp"), Ok(())),
        (json!(["x", "https://B/"]), Ok(())),
        (json!(RESOURCE), Err("audience")),
        (json!("MCP"), Err("audience")),
        (json!("https://b/"), Err("audience")),
    ] {
        let found = principal(&issuer, &json!({"aud": audience})).map(|_| ());
        assert_eq!(found, result, "{audience}");
    }
}

#[test]
fn types_and_algorithms_are_those_of_the_configuration() {
    let issuer = Issuer {
        accepted_typ_headers: vec!["".into(), "application/JWT".into()],
        algorithms: vec![crate::authn::Algorithm::EdDsa],
        ..issuer()
    };
    let (ed25519, p256) = (Signer::ed25519(), Signer::p256());
    let jwks = json!({"keys": [ed25519.jwk("ed"), p256.jwk("p256")]}).to_string();
    for (signer, header, result) in [
        (&ed25519, json!({"alg": "EdDSA"}), Ok(())),
        (&ed25519, json!({"alg": "EdDSA", "typ": "jwt"}), Ok(())),
        (&ed25519, json!({"alg": "EdDSA", "typ": "at+jwt"}), Err("type")),
        (&p256, json!({"alg": "ES256", "typ": "jwt"}), Err("algorithm")),
    ] {
        let line = format!("Bearer {}", signer.token(&header.to_string(), &claims(&json!({}))));
        let found = try_token(line.as_bytes(), &issuer, jwks.as_bytes(), RESOURCE, now());
        assert_eq!(found.map(|_| ()).map_err(|it| it.reason()), result, "{header}");
    }
}

#[test]
fn clocks_may_be_as_far_apart_as_the_leeway() {
    let signer = Signer::ed25519();
    let keys = KeySet::parse(json!({"keys": [signer.jwk("ed")]}).to_string().as_bytes()).unwrap();
    let token = signer.token(HEADER, &claims(&json!({})));
    let (issuer, jwt) = (issuer(), Jwt::read(token.as_bytes()).unwrap());
    let leeway = Config::default().leeway;
    let at = |seconds| {
        let now = now() + Duration::from_mins(5) + Duration::from_secs(seconds);
        let expected = Expected { issuer: &issuer, resource: RESOURCE, leeway, now };
        jwt.verify(&expected, &keys).is_ok()
    };
    assert!(at(29) && !at(30));
}
