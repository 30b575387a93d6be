//! Both stacks around a scripted backend: what crosses the seam between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::util::BoxCloneService;

use super::stack::{Edge, Parts};
use crate::backends::scripted::{Answer as Script, Backend, config, context_with};
use crate::backends::{Isolation, Unsolicited};
use crate::call::{Answer, Event, Outcome, Responder};
use crate::catalogue::{self, Catalogue, Kind, Member, Naming, Prefix, View, Visibility};
use crate::layers::call::record::{Record, Recorder};
use crate::layers::http::streams::Streams;
use crate::mcp::{Capabilities, header as mcp_header};
use crate::outbound::Trust;
use crate::policy::Gate as Policy;
use crate::routes::Open;
use crate::routes::health::Readiness;
use crate::routes::mcp::{Ending, Shared};
use crate::server::{self, Body, Shutdown};
use crate::sessions::{Keys, Sessions};
use crate::supervise::Registry;

/// How calls ended, in that order.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Outcome>>>);

impl Recorder for Records {
    fn record(&self, record: &Record) {
        self.0.lock().push(record.outcome);
    }
}

/// A gateway in front of one backend with the tool `echo`, which takes two calls at a time.
struct Gate {
    stack: BoxCloneService<Request<Full<Bytes>>, Response<Body>, std::convert::Infallible>,
    backend: Arc<Backend>,
    records: Records,
    sessions: Arc<Sessions>,
}

impl Gate {
    async fn open() -> Self {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(1));
        let sessions = Arc::new(sessions.unwrap());
        let context = context_with(sessions.clone());
        let backend = Backend::with_tools(&["echo"]);
        let config =
            crate::backends::Config { max_in_flight: Some(2), ..config("b", Isolation::Shared) };
        let handle = backend.handle(config, &context);
        let registry = Registry::of(vec![(handle.clone(), true)], &context);
        let member = Member { handle, naming: Naming::new("x", "b", Prefix::Server) };
        let catalogue = Catalogue::start(
            catalogue::Config::default(),
            vec![member],
            &context.background,
            CancellationToken::new(),
        );
        let anybody =
            View { session: None, capabilities: Capabilities::NONE, visibility: Visibility::All };
        let at = crate::call::Endpoint::Aggregate;
        catalogue.list(&at, Kind::Tool, None, &anybody).await.unwrap();
        while catalogue.resolve_tool(&at, "x_b_echo", &anybody).is_none() {
            tokio::task::yield_now().await;
        }
        let records = Records::default();
        let shutdown = Shutdown::new();
        let readiness = Readiness::new(watch::channel(true).1, shutdown.clone());
        let http = server::Http::default();
        let shared = Shared {
            sessions: sessions.clone(),
            registry,
            catalogue: catalogue.clone(),
            keep_alive: http.keep_alive,
            streams: Streams::new(http.max_streams),
        };
        let parts = Parts {
            shared: Arc::new(shared),
            catalogue,
            gate: Arc::new(Policy::default()),
            recorder: records.clone(),
            trust: Arc::new(Trust::new(&[]).unwrap()),
            ending: Ending {
                draining: shutdown.draining().clone(),
                stopping: shutdown.stopping().clone(),
            },
            open: Open::new(readiness, "http://localhost/mcp"),
            edge: Edge::new(&http, Some(&"https://gate.example/mcp".parse().unwrap()), true),
        };
        let stack = BoxCloneService::new(parts.build(&TaskTracker::new()));
        Self { stack, backend, records, sessions }
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Response<Body> {
        let request = request
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(Full::new(Bytes::from(body)));
        self.stack.clone().oneshot(request.unwrap()).await.unwrap()
    }

    async fn post(&self, session: &str, message: &Value) -> Response<Body> {
        let request = Request::post("/mcp").header(mcp_header::SESSION_ID, session);
        self.send(request, message.to_string()).await
    }

    /// A client's session.
    async fn client(&self, capabilities: Value) -> String {
        let initialize = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let response = self.send(Request::post("/mcp"), initialize.to_string()).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()[mcp_header::SESSION_ID].to_str().unwrap().to_owned()
    }

    async fn call(&self, session: &str, id: u64) -> Response<Body> {
        self.post(
            session,
            &json!({
                "jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": { "name": "x_b_echo", "_meta": { "progressToken": "p" } },
            }),
        )
        .await
    }

    /// A call whose events the test sends, and its stream behind the event that opens it.
    async fn streamed(&self, session: &str, id: u64) -> (mpsc::Sender<Event>, Body) {
        let (events, script) = mpsc::channel(4);
        self.backend.answer(Script::Events(script));
        let response = self.call(session, id).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = response.into_body();
        let (opening, nothing) = event(&mut stream).await.unwrap();
        assert!(!opening.is_empty() && nothing.is_null(), "an id to come back with");
        (events, stream)
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.records.0.lock().clone()
    }
}

/// The next event: its id and its message.
async fn event(stream: &mut Body) -> Option<(String, Value)> {
    let frame = stream.frame().await?.unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&frame).unwrap();
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").unwrap_or_default();
    let message = serde_json::from_str(data).unwrap_or(Value::Null);
    Some((field("id: ").unwrap_or_default().to_owned(), message))
}

async fn message(stream: &mut Body) -> Value {
    event(stream).await.expect("the stream goes on").1
}

async fn json_of(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn notification(method: &str, params: &Value) -> Event {
    let text = json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string();
    Event::Notification(text.into())
}

fn progress(progress: u64) -> Event {
    notification("notifications/progress", &json!({ "progressToken": "p", "progress": progress }))
}

fn response(id: u64) -> Event {
    let text = json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string();
    Event::Response(crate::call::Response::ok(text.into()))
}

fn question() -> (Event, oneshot::Receiver<Answer>) {
    let (sender, answer) = oneshot::channel();
    let text = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
    let responder = Responder::new(move |answer| drop(sender.send(answer)));
    (Event::Request(text.into(), responder), answer)
}

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
