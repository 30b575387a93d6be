//! Streams of clients whose tokens expire while they read.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::gate::{Gate, event, question};
use super::sse::{Client, text};
use crate::call::{Answer, Outcome, Principal, PrincipalKind};
use crate::server::Body;

/// Until the token of a test expires, and what the gateway adds.
const LIFE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(30);

fn ann(life: Duration) -> Principal {
    Principal {
        issuer: "https://login.example".into(),
        subject: "ann".into(),
        client: "app".into(),
        kind: PrincipalKind::Person,
        expires: Some(SystemTime::now() + life),
        ..Principal::anonymous()
    }
}

/// What is said next, and when; signs of life say nothing.
async fn said(stream: &mut Body, begun: Instant) -> (Value, Duration) {
    loop {
        let (_, message) = event(stream).await.expect("the stream goes on");
        if !message.is_null() {
            return (message, begun.elapsed());
        }
    }
}

/// Two clocks are at work, and one of them does not stand still.
fn is_on_time(when: Duration) -> bool {
    when.abs_diff(LIFE + GRACE) < Duration::from_secs(5)
}

#[tokio::test(start_paused = true)]
async fn a_listening_stream_ends_with_the_token_and_goes_on_with_a_new_one() {
    let gate = Gate::open().await;
    let client = gate.seen_by(ann(LIFE));
    let session = client.client(json!({})).await;
    let begun = Instant::now();
    let mut stream = client.listen(&session, None).await.into_body();
    let (opening, _) = event(&mut stream).await.unwrap();
    let news = |n: u64| {
        let method = "notifications/tools/list_changed";
        let news = json!({ "jsonrpc": "2.0", "method": method, "params": { "n": n } });
        gate.sessions.broadcast(&Bytes::from(news.to_string()), |_, _| true);
    };
    news(1);
    let (last, first) = event(&mut stream).await.unwrap();
    assert_eq!(first["params"]["n"], 1);
    assert_ne!(last, opening);

    let frame = loop {
        let frame = text(&mut stream).await;
        if !frame.starts_with(':') {
            break frame;
        }
    };
    assert!(is_on_time(begun.elapsed()), "{:?}", begun.elapsed());
    assert!(frame.contains("the access token has expired; connect again with a new one"));
    assert!(frame.ends_with("\n\nretry: 1000\n\n") && !frame.contains("id: "), "{frame}");
    assert!(stream.frame().await.is_none(), "nothing comes behind it");

    news(2);
    let client = gate.seen_by(ann(Duration::from_hours(1)));
    let mut stream = client.listen(&session, Some(&last)).await.into_body();
    let (_, missed) = event(&mut stream).await.unwrap();
    assert_eq!(missed["params"]["n"], 2, "{missed}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_silent_ends_as_well() {
    let gate = Gate::open().await;
    let client = gate.seen_by(ann(Duration::ZERO));
    let session = client.client(json!({})).await;
    let mut stream = client.listen(&session, None).await.into_body();
    event(&mut stream).await.unwrap();
    let begun = Instant::now();
    let news = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/news"}"#);
    loop {
        gate.sessions.broadcast(&news, |_, _| true);
        if text(&mut stream).await.contains("has expired") {
            break;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(begun.elapsed() < GRACE * 2);
    }
    assert!(stream.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_what_the_configuration_says() {
    let grace = Duration::from_mins(10);
    let gate = Gate::open_with(|config| config.auth.stream_grace = grace).await;
    let client = gate.seen_by(ann(LIFE));
    let session = client.client(json!({})).await;
    let begun = Instant::now();
    let mut stream = client.listen(&session, None).await.into_body();
    let (last, when) = said(&mut stream, begun).await;
    assert_eq!(last["params"]["logger"], "portcullis", "{last}");
    assert!(when.abs_diff(LIFE + grace) < Duration::from_secs(5), "{when:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_cut_off_when_the_token_of_its_stream_expires() {
    let gate = Gate::open().await;
    let client = gate.seen_by(ann(LIFE));
    let session = client.client(json!({ "roots": {} })).await;
    let begun = Instant::now();
    let (events, mut stream) = client.streamed(&session, 1).await;
    let (question, answer) = question();
    events.send(question).await.unwrap();
    assert_eq!(said(&mut stream, begun).await.0["method"], "roots/list");
    let (last, when) = said(&mut stream, begun).await;
    assert!(is_on_time(when), "{when:?}");
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31009)), "{last}");
    let why = last["error"]["message"].as_str().unwrap();
    assert!(why.starts_with("the access token has expired; the call was cut off"), "{why}");
    assert!(event(&mut stream).await.is_none());
    assert!(matches!(answer.await, Ok(Answer::Refused(_))), "nobody answers any more");
    gate.backend.cancelled(1).await;
    assert_eq!(gate.outcomes(), [Outcome::Cancelled]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_the_old_transport_ends_with_its_own_token() {
    let gate = Gate::open().await;
    let seen = gate.seen_by(ann(LIFE));
    let begun = Instant::now();
    let mut client = Client::connect(&seen, "2024-11-05", json!({})).await;
    let _events = client.call(7).await;
    let (cut, when) = said(&mut client.stream, begun).await;
    assert!(is_on_time(when), "{when:?}");
    assert_eq!((&cut["id"], &cut["error"]["code"]), (&json!(7), &json!(-31009)), "{cut}");
    let (last, _) = said(&mut client.stream, begun).await;
    assert_eq!(last["params"]["logger"], "portcullis", "{last}");
    assert_eq!(text(&mut client.stream).await, "retry: 1000\n\n");
    assert!(client.stream.frame().await.is_none());
    client.until_gone().await;
    let renewed = gate.seen_by(ann(Duration::from_hours(1)));
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let request = http::Request::post(&client.endpoint);
    let response = renewed.send(request, message.to_string()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND, "the connection is gone for good");
}

#[tokio::test(start_paused = true)]
async fn a_message_with_a_newer_token_does_not_keep_the_old_transport_open() {
    let gate = Gate::open().await;
    let seen = gate.seen_by(ann(LIFE));
    let renewed = gate.seen_by(ann(Duration::from_hours(1)));
    let mut client = Client::connect(&seen, "2024-11-05", json!({})).await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let request = http::Request::post(&client.endpoint);
    assert_eq!(renewed.send(request, ping.to_string()).await.status(), StatusCode::ACCEPTED);
    assert_eq!(client.message().await["id"], 1);
    let begun = Instant::now();
    let (last, when) = said(&mut client.stream, begun).await;
    assert_eq!(last["params"]["level"], "warning", "{last}");
    assert!(is_on_time(when), "{when:?}");
}
