use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::authn::Issuer;
use crate::call::PrincipalKind;
use crate::config::{Glob, Value as _};

const NOW: Duration = Duration::from_secs(2_000_000_000);

fn issuer() -> Issuer {
    Issuer {
        issuer: "https://login.example".into(),
        allowed_scopes: vec![Glob::read("mcp:*").unwrap()],
        allowed_claims: vec![("tenant".into(), Glob::read("acme-*").unwrap())],
        ..Issuer::default()
    }
}

fn good() -> Value {
    json!({
        "active": true, "iss": "https://login.example", "aud": ["x", "HTTPS://Gate.example/mcp"],
        "token_type": "Bearer", "exp": 2_000_000_100, "nbf": 1_999_999_000, "iat": 1_999_999_000.5,
        "sub": "alice", "username": "Alice", "client_id": "cli", "scope": "mcp:call  admin mcp:read",
        "groups": ["dev", "Domain Admins"], "tenant": "acme-west",
    })
}

fn read(issuer: &Issuer, answer: &Value) -> Result<Principal, &'static str> {
    let expected = Expected {
        issuer,
        resource: "https://gate.example/mcp",
        leeway: Duration::from_secs(30),
        now: UNIX_EPOCH + NOW,
    };
    let found = principal(answer.as_object().unwrap(), &expected);
    found.map_err(|fault| fault.reason)
}

/// The good answer with other members; null takes one away.
fn with(members: &Value) -> Value {
    let mut answer = good();
    for (name, value) in members.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

#[test]
fn an_answer_becomes_the_principal_that_the_issuer_may_speak_of() {
    let principal = read(&issuer(), &good()).unwrap();
    assert_eq!(
        principal,
        Principal {
            issuer: "https://login.example".into(),
            subject: "alice".into(),
            client: "cli".into(),
            kind: PrincipalKind::Person,
            scopes: ["mcp:call", "mcp:read"].into_iter().collect(),
            groups: ["dev", "Domain Admins"].into_iter().collect(),
            expires: Some(UNIX_EPOCH + NOW + Duration::from_secs(100)),
        }
    );
}

#[test]
fn active_is_not_enough() {
    for (name, members, reason) in [
        ("another issuer", json!({"iss": "https://login.example/"}), "issuer"),
        ("an issuer of no text", json!({"iss": 7}), "issuer"),
        ("no audience", json!({"aud": null}), "audience"),
        ("an empty list of audiences", json!({"aud": []}), "audience"),
        ("another audience", json!({"aud": "https://gate.example/mcp/"}), "audience"),
        ("an audience in other case", json!({"aud": "https://gate.example/MCP"}), "audience"),
        ("an audience that is longer", json!({"aud": "https://gate.example.org/mcp"}), "audience"),
        (
            "an audience that is a number",
            json!({"aud": ["https://gate.example/mcp", 7]}),
            "audience",
        ),
        ("a refresh token", json!({"token_type": "refresh_token"}), "type"),
        ("a bound token", json!({"token_type": "DPoP"}), "type"),
        ("expired", json!({"exp": 1_999_999_970}), "expired"),
        ("expiry that is no number", json!({"exp": "2000000100"}), "expiry"),
        ("expiry before all time", json!({"exp": -1}), "expiry"),
        ("expiry after all time", json!({"exp": 1e300}), "expiry"),
        ("expiry in nanoseconds", json!({"exp": 2_000_000_100_000_000_000_u64}), "expiry"),
        ("expiry before its issue", json!({"iat": 2_000_000_010, "exp": 2_000_000_005}), "expiry"),
        ("not yet", json!({"nbf": 2_000_000_031}), "premature"),
        ("of the future", json!({"iat": 2_000_000_031}), "future"),
        ("another tenant", json!({"tenant": "other"}), "claims"),
        ("a type that is a list", json!({"token_type": ["Bearer"]}), "type"),
        ("a client that is a number", json!({"client_id": 7}), "client"),
        ("no tenant", json!({"tenant": null}), "claims"),
        ("a tenant that is a list", json!({"tenant": ["acme-west"]}), "claims"),
        ("scopes that are a number", json!({"scope": 1}), "scopes"),
        ("groups that are an object", json!({"groups": {"admin": true}}), "groups"),
        ("nobody", json!({"sub": null, "username": null, "client_id": null}), "subject"),
        ("a subject without a name", json!({"sub": ""}), "subject"),
        ("a subject that is a number", json!({"sub": 7}), "subject"),
    ] {
        assert_eq!(read(&issuer(), &with(&members)).unwrap_err(), reason, "{name}");
    }
}

#[test]
fn what_need_not_be_said_may_be_missing() {
    for (name, members) in [
        ("issuer", json!({"iss": null})),
        ("type", json!({"token_type": null})),
        ("type of another kind of server", json!({"token_type": "access_token"})),
        ("times", json!({"exp": null, "nbf": null, "iat": null})),
        ("expiry within the leeway", json!({"exp": 1_999_999_971})),
        ("start within the leeway", json!({"nbf": 2_000_000_029})),
    ] {
        assert!(read(&issuer(), &with(&members)).is_ok(), "{name}");
    }
}

#[test]
fn an_issuers_own_audiences_replace_the_resource() {
    let issuer = Issuer { allowed_audiences: vec!["api".into()], ..issuer() };
    assert!(read(&issuer, &with(&json!({"aud": "api"}))).is_ok());
    for audience in ["https://gate.example/mcp", "API"] {
        assert_eq!(read(&issuer, &with(&json!({"aud": audience}))), Err("audience"), "{audience}");
    }
}

#[test]
fn a_subject_is_a_person_unless_it_is_the_client() {
    let cases = [
        (json!({}), "sub", Ok(("alice", PrincipalKind::Person))),
        (json!({"sub": null}), "sub", Ok(("Alice", PrincipalKind::Person))),
        (json!({"sub": null, "username": null}), "sub", Ok(("cli", PrincipalKind::Service))),
        (json!({"sub": "cli"}), "sub", Ok(("cli", PrincipalKind::Service))),
        (json!({"client_id": null, "azp": "alice"}), "sub", Ok(("alice", PrincipalKind::Service))),
        (json!({"mail": "a@b"}), "mail", Ok(("a@b", PrincipalKind::Person))),
        // All users of the client without the claim would be one.
        (json!({}), "mail", Err("subject")),
        (json!({"sub": null}), "mail", Err("subject")),
    ];
    for (members, claim, subject) in cases {
        let issuer = Issuer { subject_claim: claim.into(), ..issuer() };
        let found = read(&issuer, &with(&members));
        let found = found.as_ref().map(|it| (&*it.subject, it.kind)).map_err(|reason| *reason);
        assert_eq!(found, subject, "{members} {claim}");
    }
}
