//! What belongs to one principal is nobody else's, whatever they know of it.

use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::gate::{Gate, event, json_of, message, progress, question, response};
use super::sse::Client;
use crate::call::{Answer, Principal};
use crate::mcp::header as mcp_header;

fn ann() -> Principal {
    Principal {
        issuer: "https://login.example".into(),
        subject: "ann".into(),
        client: "app".into(),
        ..Principal::anonymous()
    }
}

/// Ann with the next token, which was granted for something else.
fn ann_later() -> Principal {
    Principal {
        scopes: ["more"].into_iter().collect(),
        groups: ["admins"].into_iter().collect(),
        expires: Some(SystemTime::now() + Duration::from_hours(1)),
        ..ann()
    }
}

/// Everybody who differs in what makes a principal.
fn others() -> [(&'static str, Principal); 4] {
    [
        ("another subject", Principal { subject: "bob".into(), ..ann() }),
        ("another client", Principal { client: "other".into(), ..ann() }),
        ("another issuer", Principal { issuer: "https://evil.example".into(), ..ann() }),
        ("nobody", Principal::anonymous()),
    ]
}

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })
}

fn delete(session: &str) -> http::request::Builder {
    Request::delete("/mcp").header(mcp_header::SESSION_ID, session)
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_with_the_next_token_and_for_nobody_else() {
    let gate = Gate::open().await;
    let session = gate.seen_by(ann()).client(json!({ "roots": {} })).await;
    for (who, other) in others() {
        let other = gate.seen_by(other);
        let refused = other.post(&session, &ping()).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{who}");
        let text = json_of(refused).await["error"]["message"].to_string();
        assert!(text.contains("session not found"), "{who} learns not that it exists: {text}");
        assert_eq!(other.call(&session, 1).await.status(), StatusCode::NOT_FOUND, "{who}");
        let listening = other.listen(&session, None).await;
        assert_eq!(listening.status(), StatusCode::NOT_FOUND, "{who}");
        let deleted = other.send(delete(&session), String::new()).await;
        assert_eq!(deleted.status(), StatusCode::NOT_FOUND, "{who}");
    }
    assert!(gate.backend.asked().is_empty(), "the backend has heard of none of this");
    let later = gate.seen_by(ann_later());
    assert_eq!(json_of(later.post(&session, &ping()).await).await["id"], 9);
    assert_eq!(json_of(later.call(&session, 1).await).await["id"], 1);
    assert_eq!(later.send(delete(&session), String::new()).await.status(), StatusCode::OK);
    assert_eq!(later.post(&session, &ping()).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_replayed_to_its_owner_alone() {
    let gate = Gate::open().await;
    let client = gate.seen_by(ann());
    let session = client.client(json!({})).await;
    let (events, mut stream) = client.streamed(&session, 1).await;
    events.send(progress(1)).await.unwrap();
    let (last, _) = event(&mut stream).await.unwrap();
    drop(stream);
    events.send(progress(2)).await.unwrap();
    events.send(response(1)).await.unwrap();
    for (who, other) in others() {
        let other = gate.seen_by(other);
        let stolen = other.listen(&session, Some(&last)).await;
        assert_eq!(stolen.status(), StatusCode::NOT_FOUND, "{who}");
        // With a session of their own the id of an event leads to nothing of Ann's.
        let own = other.client(json!({})).await;
        let mut stream = other.listen(&own, Some(&last)).await.into_body();
        let (_, replayed) = event(&mut stream).await.unwrap();
        assert!(replayed.is_null(), "{who}: {replayed}");
    }
    let mut stream = gate.seen_by(ann_later()).listen(&session, Some(&last)).await.into_body();
    assert_eq!(message(&mut stream).await["params"]["progress"], 2);
    assert_eq!(message(&mut stream).await["id"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_by_whom_it_was_asked() {
    let gate = Gate::open().await;
    let client = gate.seen_by(ann());
    let session = client.client(json!({ "roots": {} })).await;
    let (events, mut stream) = client.streamed(&session, 1).await;
    let (question, answer) = question();
    events.send(question).await.unwrap();
    let asked = message(&mut stream).await;
    let roots = |uri: &str| {
        let result = json!({ "roots": [{ "uri": uri }] });
        json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })
    };
    for (who, other) in others() {
        let other = gate.seen_by(other);
        let forged = other.post(&session, &roots("file:///evil")).await;
        assert_eq!(forged.status(), StatusCode::NOT_FOUND, "{who}");
        let own = other.client(json!({ "roots": {} })).await;
        let forged = other.post(&own, &roots("file:///evil")).await;
        assert_eq!(forged.status(), StatusCode::ACCEPTED, "{who}: it is dropped");
    }
    let answered = gate.seen_by(ann_later()).post(&session, &roots("file:///ann")).await;
    assert_eq!(answered.status(), StatusCode::ACCEPTED);
    let Ok(Answer::Response(answer)) = answer.await else { panic!("no answer") };
    assert_eq!(answer.result().unwrap(), r#"{"roots":[{"uri":"file:///ann"}]}"#);
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_the_old_transport_takes_messages_from_its_owner_alone() {
    let gate = Gate::open().await;
    let seen = gate.seen_by(ann());
    let mut client = Client::connect(&seen, "2024-11-05", json!({})).await;
    for (who, other) in others() {
        let request = Request::post(&client.endpoint);
        let refused = gate.seen_by(other).send(request, ping().to_string()).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{who}");
    }
    let request = Request::post(&client.endpoint);
    let accepted = gate.seen_by(ann_later()).send(request, ping().to_string()).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    assert_eq!(client.message().await["id"], 9);
}
