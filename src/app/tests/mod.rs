//! Both stacks around a scripted backend: what crosses the seam between them.

mod expiry;
mod gate;
mod owner;
mod sse;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::backends::Unsolicited;
use crate::backends::scripted::Answer as Script;
use crate::call::{Answer, Event, Outcome, Responder};
use crate::mcp::{Message, header as mcp_header};
use gate::{Gate, event, json_of, message, notification, progress, question, response};

#[tokio::test(start_paused = true)]
async fn a_reply_of_one_message_is_one_json_response() {
    let gate = Gate::open().await;
    let session = gate.client(json!({})).await;
    let response = gate.call(&session, 5).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(json_of(response).await, json!({ "jsonrpc": "2.0", "id": 5, "result": {} }));
    let asked: Value = serde_json::from_slice(&gate.backend.asked()[0]).unwrap();
    assert_eq!(asked["params"]["name"], "echo", "the backend hears its own name");
    assert_eq!(gate.outcomes(), [Outcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn progress_logs_and_questions_come_in_mid_stream_and_the_answer_by_post() {
    let gate = Gate::open().await;
    let session = gate.client(json!({ "roots": {} })).await;
    let (events, mut stream) = gate.streamed(&session, 1).await;
    events.send(progress(1)).await.unwrap();
    assert_eq!(message(&mut stream).await["method"], "notifications/progress");
    let log = json!({ "level": "info", "data": "hi" });
    events.send(notification("notifications/message", &log)).await.unwrap();
    assert_eq!(message(&mut stream).await["params"]["data"], "hi");

    let (question, answer) = question();
    events.send(question).await.unwrap();
    let asked = message(&mut stream).await;
    assert_eq!(asked["method"], "roots/list");
    assert_ne!(asked["id"], 7, "the client sees an id of ours");
    let roots = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } });
    let stranger = gate.client(json!({ "roots": {} })).await;
    assert_eq!(gate.post(&stranger, &roots).await.status(), StatusCode::ACCEPTED);
    assert_eq!(gate.post(&session, &roots).await.status(), StatusCode::ACCEPTED);
    let Ok(Answer::Response(answer)) = answer.await else { panic!("no answer") };
    assert_eq!(answer.result().unwrap(), r#"{"roots":[]}"#);

    events.send(response(1)).await.unwrap();
    assert_eq!(message(&mut stream).await["id"], 1);
    assert!(event(&mut stream).await.is_none(), "the stream ends with the response");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_refused_when_the_call_is_cancelled() {
    let gate = Gate::open().await;
    let session = gate.client(json!({ "roots": {} })).await;
    let (events, mut stream) = gate.streamed(&session, 1).await;
    let (question, answer) = question();
    events.send(question).await.unwrap();
    assert_eq!(message(&mut stream).await["method"], "roots/list");
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
    });
    gate.post(&session, &cancelled).await;
    assert!(event(&mut stream).await.is_none(), "who cancels gets no response");
    assert!(matches!(answer.await, Ok(Answer::Refused(_))));
    gate.backend.cancelled(1).await;
    assert_eq!(gate.outcomes(), [Outcome::Cancelled]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_can_fetch_the_rest_and_another_one_cannot() {
    let gate = Gate::open().await;
    let session = gate.client(json!({})).await;
    let (events, mut stream) = gate.streamed(&session, 1).await;
    events.send(progress(1)).await.unwrap();
    let (last, _) = event(&mut stream).await.unwrap();
    drop(stream);
    events.send(progress(2)).await.unwrap();
    events.send(response(1)).await.unwrap();
    drop(events);

    let back = |session: &str| {
        let request = Request::get("/mcp").header(mcp_header::SESSION_ID, session);
        gate.send(request.header(mcp_header::LAST_EVENT_ID, &last), String::new())
    };
    let mut stream = back(&session).await.into_body();
    assert_eq!(message(&mut stream).await["params"]["progress"], 2);
    assert_eq!(message(&mut stream).await["id"], 1);
    assert!(event(&mut stream).await.is_none());
    assert_eq!(gate.outcomes(), [Outcome::Ok], "the call was not cancelled");

    let stranger = gate.client(json!({})).await;
    let mut stream = back(&stranger).await.into_body();
    let (_, replayed) = event(&mut stream).await.unwrap();
    assert!(replayed.is_null(), "{replayed}");
}

#[tokio::test(start_paused = true)]
async fn permit_and_record_end_with_the_reply_and_not_with_the_future() {
    let gate = Gate::open().await;
    let session = gate.client(json!({})).await;
    let (first, mut first_stream) = gate.streamed(&session, 1).await;
    let (_second, _second_stream) = gate.streamed(&session, 2).await;
    assert_eq!(gate.outcomes(), [], "the heads of two replies are out, both go on");
    let busy = json_of(gate.call(&session, 3).await).await;
    assert_eq!(busy["error"]["data"]["backend"], "b", "{busy}");
    assert_eq!(gate.outcomes(), [Outcome::Limited]);

    first.send(response(1)).await.unwrap();
    assert_eq!(message(&mut first_stream).await["id"], 1);
    assert_eq!(gate.outcomes(), [Outcome::Limited, Outcome::Ok]);
    assert_eq!(json_of(gate.call(&session, 4).await).await["id"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_stalls_nobody_else() {
    let gate = Gate::open().await;
    let (slow, quick) = (gate.client(json!({})).await, gate.client(json!({})).await);
    let (events, mut unread) = gate.streamed(&slow, 1).await;
    while events.try_send(progress(1)).is_ok() {}
    let get = Request::get("/mcp").header(mcp_header::SESSION_ID, &slow);
    let _unread = gate.send(get, String::new()).await;
    let news = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    for _ in 0..1000 {
        gate.sessions.broadcast(&news, |_, _| true);
    }
    assert_eq!(json_of(gate.call(&quick, 2).await).await["id"], 2);
    assert_eq!(json_of(gate.call(&slow, 3).await).await["id"], 3);
    assert_eq!(message(&mut unread).await["params"]["progress"], 1, "it reads on where it was");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_is_gone_and_a_missing_one_a_mistake() {
    let gate = Gate::open().await;
    let session = gate.client(json!({})).await;
    let delete = Request::delete("/mcp").header(mcp_header::SESSION_ID, &session);
    assert_eq!(gate.send(delete, String::new()).await.status(), StatusCode::OK);
    assert_eq!(gate.call(&session, 1).await.status(), StatusCode::NOT_FOUND);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let missing = gate.send(Request::post("/mcp"), ping).await;
    assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn the_public_url_is_a_host_and_an_origin_that_pass() {
    let gate = Gate::open().await;
    for (host, origin, status) in [
        ("gate.example", "https://gate.example", StatusCode::BAD_REQUEST),
        ("gate.example", "https://evil.example", StatusCode::FORBIDDEN),
        ("evil.example", "https://gate.example", StatusCode::FORBIDDEN),
    ] {
        let request =
            Request::get("/mcp").header(header::HOST, host).header(header::ORIGIN, origin);
        let request = request.body(Full::default()).unwrap();
        let response = gate.stack.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{host} {origin}: only the session is missing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_lost_its_session_is_told_again_what_was_subscribed_to() {
    let gate = Gate::open().await;
    let session = gate.client(json!({})).await;
    let subscribe = |id: u64, uri: &str| {
        json!({
            "jsonrpc": "2.0", "id": id, "method": "resources/subscribe",
            "params": { "uri": uri },
        })
    };
    gate.backend.answer(Script::Error(crate::call::Error::Cancelled));
    let refused = json_of(gate.post(&session, &subscribe(1, "demo://refused")).await).await;
    assert!(refused["error"].is_object(), "{refused}");
    assert_eq!(json_of(gate.post(&session, &subscribe(2, "demo://a")).await).await["id"], 2);
    let told = || {
        let requested = gate.backend.requested();
        requested.into_iter().filter(|it| it.contains("subscribe")).collect::<Vec<_>>()
    };
    assert!(told().is_empty(), "the client's own request went through the call stack");
    gate.backend.connections()[0].say(Unsolicited::Reinitialized);
    while told().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(), [r#"resources/subscribe {"uri":"demo://a"}"#]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_elicitation_is_told_to_whom_it_was_asked() {
    let gate = Gate::open().await;
    let asked = gate.client(json!({ "elicitation": { "url": {} } })).await;
    let other = gate.client(json!({ "elicitation": { "url": {} } })).await;
    let mut streams = Vec::new();
    for session in [&asked, &other] {
        let get = Request::get("/mcp").header(mcp_header::SESSION_ID, session);
        let mut stream = gate.send(get, String::new()).await.into_body();
        event(&mut stream).await.unwrap();
        streams.push(stream);
    }
    let (events, mut stream) = gate.streamed(&asked, 1).await;
    let params = json!({ "mode": "url", "elicitationId": "e", "url": "https://x", "message": "" });
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": params,
    });
    let responder = Responder::new(|_| {});
    events.send(Event::Request(request.to_string().into(), responder)).await.unwrap();
    assert_eq!(message(&mut stream).await["method"], "elicitation/create");

    let done = r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}"#;
    let done = Message::parse(Bytes::from_static(done.as_bytes())).unwrap();
    gate.backend.connections()[0].say(Unsolicited::Notification(done));
    let told = message(&mut streams[0]).await;
    assert_eq!(told["method"], "notifications/elicitation/complete");
    assert!(streams[1].frame().now_or_never().is_none(), "a stranger hears nothing");
}
