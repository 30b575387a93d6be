use std::time::Duration;

use serde_json::json;
use tokio::time;

use super::scripted::*;
use super::*;
use crate::outbound::scripted::{answer, endless, open_sse};

/// What goes wrong, where, and how.
type Wrong = (&'static str, &'static str, scripted::Say);

#[tokio::test]
async fn whatever_is_wrong_with_an_answer_the_known_keys_stay() {
    let idp = Idp::start(&["a"]).await;
    let quick = Bounds { deadline: Duration::from_millis(200), ..Bounds::default() };
    let wrong: [Wrong; 10] = [
        ("not found", KEYS, Arc::new(|_| answer(404, "", ""))),
        ("an error", KEYS, Arc::new(|_| answer(500, "text/html", "<html>"))),
        ("HTML", KEYS, Arc::new(|_| answer(200, "text/html", "<html>sign in</html>"))),
        ("10 MB", KEYS, Arc::new(|_| answer(200, "", vec![b' '; 10 << 20]))),
        ("endless", KEYS, Arc::new(|_| endless())),
        (
            "silent",
            KEYS,
            Arc::new(|_| {
                let (events, stream) = open_sse();
                std::mem::forget(events);
                stream
            }),
        ),
        (
            "to a private address",
            KEYS,
            Arc::new(|_| {
                let mut answer = answer(302, "", "");
                answer.headers_mut().insert("location", "https://10.0.0.1/".parse().unwrap());
                answer
            }),
        ),
        (
            "in a circle",
            KEYS,
            Arc::new(|_| {
                let mut answer = answer(302, "", "");
                answer.headers_mut().insert("location", KEYS.parse().unwrap());
                answer
            }),
        ),
        ("HTML as metadata", METADATA, Arc::new(|_| answer(200, "text/html", "<html>"))),
        (
            "another's metadata",
            METADATA,
            Arc::new(|_| {
                let other = json!({"issuer": "https://other", "jwks_uri": "https://other/keys"});
                answer(200, "", other.to_string())
            }),
        ),
    ];
    for (name, path, say) in wrong {
        idp.say_json(METADATA, &idp.metadata());
        idp.publish(&["a"]);
        let gateway = Gateway::start_within(quick, &idp.config(), OFTEN);
        gateway.until_keys(&["a"]).await;
        idp.say(path, move |request| say(request));
        gateway.until_failing().await;
        assert!(are(&gateway.server.keys().unwrap(), &["a"]), "{name}");
        let unknown = gateway.server.renewed_keys().await;
        assert_eq!(unknown.unwrap_err().retry_after, Duration::from_secs(1), "{name}");
        assert_eq!(*gateway.server.revocations().borrow(), 0, "{name}");
    }
}

#[tokio::test]
async fn metadata_that_is_wrong_from_the_start_is_never_used() {
    let idp = Idp::start(&["a"]).await;
    let mut metadata = idp.metadata();
    metadata["issuer"] = format!("{}/", idp.issuer()).into();
    idp.say_json(METADATA, &metadata);
    let gateway = Gateway::start(&idp.config(), OFTEN);
    gateway.until_failing().await;
    assert!(gateway.server.keys().is_err());
    assert_eq!((idp.asked(OPENID), idp.asked(KEYS)), (1, 0));
}

#[tokio::test]
async fn keys_at_a_private_address_that_is_not_allowed_are_not_asked_for() {
    let idp = Idp::start(&["a"]).await;
    let config = Issuer { allow_private_ip_jwks_hosts: Vec::new(), ..idp.config() };
    let gateway = Gateway::start(&config, OFTEN);
    gateway.until_failing().await;
    assert_eq!(idp.server.connections(), 0);
    let config = Issuer { allow_private_ip_jwks: true, ..config };
    Gateway::start(&config, OFTEN).until_keys(&["a"]).await;
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_asked_until_it_answers() {
    let idp = Idp::start(&["a"]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://localhost:{port}{KEYS}").parse().unwrap();
    let config = Issuer { jwks_url: Some(url), ..idp.config() };
    let gateway = Gateway::start(&config, RARELY);
    let before = gateway.server.keys().unwrap_err();
    assert_eq!(before.retry_after, Duration::from_secs(1), "nobody waits for it");
    gateway.until_failing().await;
    assert!(gateway.server.renewed_keys().await.is_err());

    idp.say(METADATA, |_| answer(503, "", ""));
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_failing().await;
    idp.say_json(METADATA, &idp.metadata());
    gateway.until_keys(&["a"]).await;
}

#[tokio::test(start_paused = true)]
async fn known_keys_hold_for_the_grace_after_they_should_have_been_renewed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, jwks(&["a"]).to_string()).unwrap();
    let config = Issuer { jwks_file: Some(path.clone()), ..config("https://idp.example") };
    let (refresh, grace) = (Duration::from_mins(10), Duration::from_hours(1));
    let gateway = Gateway::start(&config, Jwks { refresh, grace, ..Jwks::default() });
    gateway.until_keys(&["a"]).await;
    let begun = Instant::now();
    let mut revocations = gateway.server.revocations();
    std::fs::remove_file(&path).unwrap();
    gateway.until_failing().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    time::sleep_until(begun + refresh + grace - Duration::from_secs(1)).await;
    assert!(are(&gateway.server.keys().unwrap(), &["a"]));
    revocations.changed().await.unwrap();
    let ended = begun.elapsed();
    assert!(ended.abs_diff(refresh + grace) < Duration::from_secs(1), "{ended:?}");
    let unavailable = gateway.server.keys().unwrap_err();
    assert!(unavailable.retry_after <= Duration::from_secs(30), "{unavailable:?}");
    assert_eq!(*revocations.borrow_and_update(), 1);

    std::fs::write(&path, jwks(&["a"]).to_string()).unwrap();
    gateway.until_keys(&["a"]).await;
    assert!(!revocations.has_changed().unwrap(), "it says so once");
}
