//! Both stacks around a scripted backend, for clients of HTTP+SSE.

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::gate::{Gate, message, notification, progress, question, response};
use crate::backends::scripted::Answer as Script;
use crate::call::{Answer, Event, Outcome};
use crate::server::Body;

/// A client and its stream.
pub(super) struct Client<'g> {
    gate: &'g Gate,
    pub(super) endpoint: String,
    pub(super) stream: Body,
}

impl<'g> Client<'g> {
    async fn open(gate: &'g Gate) -> Self {
        let response = gate.send(Request::get("/sse"), String::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut stream = response.into_body();
        let first = text(&mut stream).await;
        let endpoint = first.strip_prefix("event: endpoint\ndata: ").expect("the endpoint");
        Self { gate, endpoint: endpoint.trim_end().to_owned(), stream }
    }

    pub(super) async fn connect(gate: &'g Gate, version: &str, capabilities: Value) -> Self {
        let mut client = Self::open(gate).await;
        let params = json!({ "protocolVersion": version, "capabilities": capabilities });
        let hello = client.request("initialize", &params).await;
        assert_eq!(hello["result"]["protocolVersion"], version, "{hello}");
        client
    }

    pub(super) async fn post(&self, message: &Value) -> Response<Body> {
        self.gate.send(Request::post(&self.endpoint), message.to_string()).await
    }

    async fn say(&self, message: &Value) {
        assert_eq!(self.post(message).await.status(), StatusCode::ACCEPTED);
    }

    /// Sends a request and returns what comes next.
    pub(super) async fn request(&mut self, method: &str, params: &Value) -> Value {
        self.say(&json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params })).await;
        self.message().await
    }

    pub(super) async fn message(&mut self) -> Value {
        message(&mut self.stream).await
    }

    /// A call whose events the test sends.
    pub(super) async fn call(&mut self, id: u64) -> mpsc::Sender<Event> {
        let (events, script) = mpsc::channel(4);
        self.gate.backend.answer(Script::Events(script));
        self.say(&call(id)).await;
        events
    }

    /// Waits until the connection is gone.
    pub(super) async fn until_gone(&self) {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        while self.post(&ping).await.status() != StatusCode::NOT_FOUND {
            tokio::task::yield_now().await;
        }
    }
}

fn call(id: u64) -> Value {
    let params = json!({ "name": "x_b_echo", "_meta": { "progressToken": "p" } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

pub(super) async fn text(stream: &mut Body) -> String {
    let frame = stream.frame().await.expect("a frame").unwrap().into_data().unwrap();
    String::from_utf8(frame.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn everything_comes_on_the_one_stream() {
    let gate = Gate::open().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::connect(&gate, version, json!({ "roots": {} })).await;
        let events = client.call(1).await;
        events.send(progress(1)).await.unwrap();
        assert_eq!(client.message().await["method"], "notifications/progress");
        let log = json!({ "level": "info", "data": "hi" });
        events.send(notification("notifications/message", &log)).await.unwrap();
        assert_eq!(client.message().await["params"]["data"], "hi");

        let (question, answer) = question();
        events.send(question).await.unwrap();
        let asked = client.message().await;
        assert_eq!(asked["method"], "roots/list");
        let roots = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } });
        let stranger = Client::connect(&gate, version, json!({ "roots": {} })).await;
        stranger.say(&roots).await;
        client.say(&roots).await;
        let Ok(Answer::Response(answer)) = answer.await else { panic!("no answer") };
        assert_eq!(answer.result().unwrap(), r#"{"roots":[]}"#);

        let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
        gate.sessions.broadcast(&Bytes::from_static(news.as_bytes()), |_, _| true);
        assert_eq!(client.message().await["method"], "notifications/tools/list_changed");
        events.send(response(1)).await.unwrap();
        assert_eq!(client.message().await["id"], 1);
        assert_eq!(client.request("ping", &json!({})).await["result"], json!({}), "it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_cancels_what_runs_and_ends_the_session() {
    let gate = Gate::open().await;
    let mut client = Client::connect(&gate, "2024-11-05", json!({ "roots": {} })).await;
    let events = client.call(7).await;
    let (question, answer) = question();
    events.send(question).await.unwrap();
    assert_eq!(client.message().await["method"], "roots/list");
    client.stream = Body::Empty;
    assert!(matches!(answer.await, Ok(Answer::Refused(_))));
    client.until_gone().await;
    assert_eq!(gate.outcomes(), [Outcome::Cancelled]);
    assert!(events.is_closed(), "nobody waits for the backend");
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_cancelled_and_gets_no_answer() {
    let gate = Gate::open().await;
    let mut client = Client::connect(&gate, "2025-11-25", json!({})).await;
    let events = client.call(7).await;
    events.send(progress(1)).await.unwrap();
    assert_eq!(client.message().await["method"], "notifications/progress");
    let params = json!({ "requestId": 7 });
    client
        .say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }))
        .await;
    gate.backend.cancelled(1).await;
    assert_eq!(client.request("ping", &json!({})).await["id"], 0, "nothing else was said");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_loses_its_stream_and_nobody_else_does() {
    let gate = Gate::open().await;
    let silent = Client::connect(&gate, "2024-11-05", json!({})).await;
    let mut other = Client::connect(&gate, "2024-11-05", json!({})).await;
    let news = Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, "n".repeat(1000)));
    for _ in 0..1100 {
        gate.sessions.broadcast(&news, |_, _| true);
        other.message().await;
    }
    silent.until_gone().await;
    assert_eq!(other.request("ping", &json!({})).await["id"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_without_reading_is_not_heard_for_ever() {
    let gate = Gate::open().await;
    // Answers wait until they are 1 MiB; messages until they are 64, or 8 MiB.
    for (length, most) in [(10_000, 105 + 64), (1_000_000, 2 + 9)] {
        let mut client = Client::connect(&gate, "2024-11-05", json!({})).await;
        // The error repeats the name, so that answers grow as fast as questions.
        let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "u".repeat(length) });
        let mut accepted = 0;
        let refused = loop {
            let response = client.post(&unknown).await;
            if response.status() != StatusCode::ACCEPTED {
                break response;
            }
            accepted += 1;
            assert!(accepted <= most, "{length}");
        };
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        for _ in 0..accepted {
            assert_eq!(
                client.message().await["error"]["code"],
                -32601,
                "all it was promised comes"
            );
        }
        assert_eq!(client.request("ping", &json!({})).await["id"], 0, "it reads again");
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_one_session_and_initialize_opens_it() {
    let gate = Gate::open().await;
    let mut client = Client::open(&gate).await;
    for (method, code) in [
        ("tools/list", -32600),
        ("resources/subscribe", -32600),
        ("server/discover", -32601),
        ("initialize", -32602),
    ] {
        assert_eq!(client.request(method, &json!({})).await["error"]["code"], code, "{method}");
    }
    client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!(client.request("ping", &json!({})).await["result"], json!({}));
    let hello = json!({ "protocolVersion": "2099-01-01", "capabilities": {} });
    let answer = client.request("initialize", &hello).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(client.request("initialize", &hello).await["error"]["code"], -32600);
    assert!(client.request("tools/list", &json!({})).await["result"].is_object());
}

#[tokio::test(start_paused = true)]
async fn batches_are_for_those_who_speak_2025_03_26() {
    let gate = Gate::open().await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let hello = json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize" });
    for (version, answers) in [
        ("2024-11-05", &[json!(null)][..]),
        ("2025-03-26", &[json!(1), json!(null), json!(2), json!(1)]),
    ] {
        let mut client = Client::connect(&gate, version, json!({})).await;
        client.say(&json!([ping, 5, hello, ping])).await;
        for id in answers {
            assert_eq!(client.message().await["id"], *id, "{version}");
        }
        assert_eq!(client.request("ping", &json!({})).await["id"], 0);
    }
    let mut client = Client::open(&gate).await;
    client.say(&json!([ping])).await;
    assert_eq!(client.message().await["error"]["code"], -32600);
}

#[tokio::test(start_paused = true)]
async fn when_we_drain_calls_finish_and_nothing_new_begins() {
    let gate = Gate::open().await;
    let mut idle = Client::connect(&gate, "2024-11-05", json!({})).await;
    let mut client = Client::connect(&gate, "2024-11-05", json!({})).await;
    let events = client.call(1).await;
    events.send(progress(1)).await.unwrap();
    assert_eq!(client.message().await["method"], "notifications/progress");
    gate.shutdown.drain();
    assert_eq!(text(&mut idle.stream).await, "retry: 1000\n\n");
    assert!(idle.stream.frame().await.is_none());
    let refused = gate.send(Request::get("/sse"), String::new()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    client.say(&call(2)).await;
    let refused = client.message().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!(-31005)));
    events.send(response(1)).await.unwrap();
    assert_eq!(client.message().await["result"], json!({}));
    assert_eq!(text(&mut client.stream).await, "retry: 1000\n\n");
    assert!(client.stream.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn when_we_stop_an_error_is_the_last_word_of_a_call() {
    let gate = Gate::open().await;
    let mut client = Client::connect(&gate, "2024-11-05", json!({})).await;
    let _events = client.call(1).await;
    gate.shutdown.stop();
    let last = client.message().await;
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31005)), "{last}");
    assert_eq!(text(&mut client.stream).await, "retry: 1000\n\n");
    assert!(client.stream.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_that_it_is_alive() {
    let gate = Gate::open().await;
    let mut client = Client::connect(&gate, "2024-11-05", json!({})).await;
    assert!(client.stream.frame().now_or_never().is_none());
    assert_eq!(text(&mut client.stream).await, ": keep-alive\n\n");
}
