use http::Request;
use secrecy::SecretString;

use super::scripted::*;
use super::*;
use crate::authn::Introspection;
use crate::outbound::scripted::{answer, json};

const ENDPOINT: &str = "/introspect";

fn with_introspection(config: Issuer) -> Issuer {
    let how = Introspection {
        endpoint: None,
        client_id: "a gate:way".into(),
        client_secret: SecretString::from("p&ss:ö"),
    };
    Issuer { introspection: Some(how), ..config }
}

async fn ask(gateway: &Gateway) -> Result<Option<Introspected>, Unavailable> {
    gateway.server.introspect(b"to+ken/==".to_vec()).await
}

#[tokio::test]
async fn a_token_is_asked_about_in_a_form_with_our_name_and_secret() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&with_introspection(idp.config()), RARELY);
    idp.say(ENDPOINT, |request: &Request<_>| {
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        // a+gate%3Away:p%26ss%3A%C3%B6
        assert_eq!(header("authorization"), "Basic YStnYXRlJTNBd2F5OnAlMjZzcyUzQSVDMyVCNg==");
        assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(request.body(), "token=to%2Bken%2F%3D%3D&token_type_hint=access_token");
        json(r#"{"active": true, "sub": "me"}"#)
    });
    let said = ask(&gateway).await.unwrap().unwrap();
    assert_eq!(said["sub"], "me");
    idp.say(ENDPOINT, |_| json(r#"{"active": false}"#));
    assert_eq!(ask(&gateway).await, Ok(None));
}

#[tokio::test]
async fn an_endpoint_that_is_configured_needs_no_metadata() {
    let idp = Idp::start(&[]).await;
    let mut config = with_introspection(idp.config());
    config.introspection.as_mut().unwrap().endpoint =
        Some(format!("{}/other", idp.issuer()).parse().unwrap());
    idp.say(METADATA, |_| answer(404, "", ""));
    idp.say("/other", |_| json(r#"{"active": true}"#));
    let gateway = Gateway::start(&config, RARELY);
    assert!(ask(&gateway).await.unwrap().is_some());
}

#[tokio::test]
async fn whatever_does_not_say_whether_a_token_is_active_is_no_answer() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&with_introspection(idp.config()), RARELY);
    for body in ["", "<html>", "{}", "[]", r#"{"active": "true"}"#, r#"{"active": 1}"#] {
        idp.say(ENDPOINT, move |_| json(body));
        assert!(ask(&gateway).await.is_err(), "{body}");
    }
    for status in [400, 401, 403, 404, 500, 302] {
        idp.say(ENDPOINT, move |_| answer(status, "application/json", r#"{"active": true}"#));
        assert!(ask(&gateway).await.is_err(), "{status}");
    }
    idp.say(ENDPOINT, |_| json(format!(r#"{{"active": true, "x": "{}"}}"#, "x".repeat(2 << 20))));
    assert!(ask(&gateway).await.is_err(), "too large");
}

#[tokio::test]
async fn an_issuer_of_opaque_tokens_needs_no_keys() {
    let idp = Idp::start(&["a"]).await;
    let mut metadata = idp.metadata();
    metadata.as_object_mut().unwrap().remove("jwks_uri");
    idp.say_json(METADATA, &metadata);
    idp.say(ENDPOINT, |_| json(r#"{"active": true}"#));
    let gateway = Gateway::start(&with_introspection(idp.config()), RARELY);
    gateway.until_keys(&[]).await;
    assert!(ask(&gateway).await.unwrap().is_some());
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_failing().await;
}

#[tokio::test]
async fn no_secret_is_shown() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&with_introspection(idp.config()), RARELY);
    let shown = format!("{:?}", gateway.server);
    assert!(!shown.contains("p&ss") && !shown.contains("Basic"), "{shown}");
}
