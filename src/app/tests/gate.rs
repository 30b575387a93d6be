//! A gateway in front of a scripted backend, and the clients that use it.

use std::convert::Infallible;
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
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};

use super::super::config::Config;
use super::super::stack::{Edge, Parts};
use crate::authn::{Authenticator, Resources, Surroundings};
use crate::backends::scripted::{Answer as Script, Backend, config, context_with};
use crate::backends::{Background, Isolation};
use crate::call::{Answer, Event, Outcome, Principal, Responder};
use crate::catalogue::{
    self, Catalogue, Exposing, Exposure, Kind, Member, Naming, Prefix, View, Visibility,
};
use crate::layers::call::record::{Record, Recorder};
use crate::layers::call::tool_limits::ToolLimitsLayer;
use crate::layers::http::body_limit::{BodyLimitLayer, Limits};
use crate::layers::http::rate_limit::RateLimitLayer;
use crate::layers::http::respond::RespondLayer;
use crate::layers::http::streams::Streams;
use crate::mcp::{Capabilities, header as mcp_header};
use crate::outbound::Trust;
use crate::policy::Gate as Policy;
use crate::routes::health::{Details, Readiness};
use crate::routes::mcp::{Ending, Shared};
use crate::routes::sse::Sse;
use crate::routes::welcome::WayIn;
use crate::routes::{self, Open, WellKnown};
use crate::server::{Body, Shutdown};
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

type Requests = BoxCloneService<Request<Full<Bytes>>, Response<Body>, Infallible>;

/// A gateway in front of one backend with the tool `echo`, which takes two calls at a time.
pub(super) struct Gate {
    pub(super) stack: Requests,
    /// The endpoints behind the edge, where every request has its principal.
    endpoints: Requests,
    pub(super) backend: Arc<Backend>,
    records: Records,
    pub(super) sessions: Arc<Sessions>,
    pub(super) shutdown: Shutdown,
}

fn authenticator(config: &Config, background: &Background) -> Arc<Authenticator> {
    let around = Surroundings {
        trust: Arc::new(Trust::new(&[]).unwrap()),
        runtime: background.runtime.clone(),
        tasks: background.tasks.clone(),
        stop: CancellationToken::new(),
    };
    let resources = Arc::new(Resources::new(None));
    Arc::new(Authenticator::new(&config.auth, &config.scopes.required, resources, &around))
}

impl Gate {
    pub(super) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// One whose configuration is not the default.
    pub(super) async fn open_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(1));
        let sessions = Arc::new(sessions.unwrap());
        let context = context_with(sessions.clone());
        let backend = Backend::with_tools(&["echo"]);
        let config =
            crate::backends::Config { max_in_flight: Some(2), ..config("b", Isolation::Shared) };
        let handle = backend.handle(config, &context);
        let registry = Registry::of(vec![(handle.clone(), true)], &context);
        let member = Member { handle, naming: Naming::new("x", "b", Prefix::Server), family: None };
        let policy = Arc::new(Policy::new(true));
        let catalogue = Catalogue::start(
            catalogue::Config::default(),
            Exposing { exposure: Exposure::Native, prefix: "x".to_owned() },
            policy.clone(),
            vec![member],
            &context.background,
            CancellationToken::new(),
        );
        let anybody = View {
            session: None,
            capabilities: Capabilities::NONE,
            visibility: Visibility::default(),
        };
        let at = crate::call::Endpoint::Aggregate;
        catalogue.list(&at, Kind::Tool, None, &anybody).await.unwrap();
        while catalogue.resolve_tool(&at, "x_b_echo", &anybody).is_none() {
            tokio::task::yield_now().await;
        }
        let records = Records::default();
        let shutdown = Shutdown::new();
        let readiness = Readiness::new(watch::channel(true).1, shutdown.clone());
        let mut config = with_public_url();
        adjust(&mut config);
        let authenticator = authenticator(&config, &context.background);
        let shared = Shared {
            sessions: sessions.clone(),
            registry,
            catalogue: catalogue.clone(),
            gate: policy.clone(),
            authenticator: authenticator.clone(),
            details: Details::new(readiness.clone(), Vec::new),
            keep_alive: config.http.keep_alive,
            stream_grace: config.auth.stream_grace,
            streams: Streams::new(config.http.max_streams),
            rate_limit: RateLimitLayer::new(config.rate_limit),
            sse: Sse::default(),
            is_streamable: true,
        };
        let parts = Parts {
            shared: Arc::new(shared),
            catalogue,
            gate: policy,
            tool_limits: ToolLimitsLayer::new(&config.tool_limits),
            recorder: records.clone(),
            trust: Arc::new(Trust::new(&[]).unwrap()),
            ending: Ending {
                draining: shutdown.draining().clone(),
                stopping: shutdown.stopping().clone(),
            },
            open: Open::new(
                readiness,
                &WayIn::StreamableHttp("http://localhost/mcp".into()),
                WellKnown::new(Arc::clone(authenticator.resources()), config.auth.mode),
            ),
            edge: Edge::new(&config, true, authenticator),
        };
        let endpoints = ServiceBuilder::new()
            .layer(RespondLayer::new(routes::respond))
            .layer(BodyLimitLayer::new(Limits::new(config.http.max_body_bytes)))
            .service(parts.mcp(&TaskTracker::new()));
        let endpoints = BoxCloneService::new(endpoints);
        let stack = BoxCloneService::new(parts.build(&TaskTracker::new()));
        Self { stack, endpoints, backend, records, sessions, shutdown }
    }

    /// The same gateway as somebody sees it who has proven who they are.
    pub(super) fn seen_by(&self, principal: Principal) -> Self {
        let principal = Arc::new(principal);
        let known = self.endpoints.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(Arc::clone(&principal));
            request
        });
        Self {
            stack: BoxCloneService::new(known),
            endpoints: self.endpoints.clone(),
            backend: Arc::clone(&self.backend),
            records: self.records.clone(),
            sessions: Arc::clone(&self.sessions),
            shutdown: self.shutdown.clone(),
        }
    }

    /// The stream of a session that `GET` opens, from the beginning or from behind an event.
    pub(super) async fn listen(&self, session: &str, last: Option<&str>) -> Response<Body> {
        let request = Request::get("/mcp").header(mcp_header::SESSION_ID, session);
        let request = match last {
            Some(last) => request.header(mcp_header::LAST_EVENT_ID, last),
            None => request,
        };
        self.send(request, String::new()).await
    }

    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: String,
    ) -> Response<Body> {
        let request = request
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(Full::new(Bytes::from(body)));
        self.stack.clone().oneshot(request.unwrap()).await.unwrap()
    }

    pub(super) async fn post(&self, session: &str, message: &Value) -> Response<Body> {
        let request = Request::post("/mcp").header(mcp_header::SESSION_ID, session);
        self.send(request, message.to_string()).await
    }

    /// A client's session.
    pub(super) async fn client(&self, capabilities: Value) -> String {
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

    pub(super) async fn call(&self, session: &str, id: u64) -> Response<Body> {
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
    pub(super) async fn streamed(&self, session: &str, id: u64) -> (mpsc::Sender<Event>, Body) {
        let (events, script) = mpsc::channel(4);
        self.backend.answer(Script::Events(script));
        let response = self.call(session, id).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = response.into_body();
        let (opening, nothing) = event(&mut stream).await.unwrap();
        assert!(!opening.is_empty() && nothing.is_null(), "an id to come back with");
        (events, stream)
    }

    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.records.0.lock().clone()
    }
}

/// The next event: its id and its message.
pub(super) async fn event(stream: &mut Body) -> Option<(String, Value)> {
    let frame = stream.frame().await?.unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&frame).unwrap();
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").unwrap_or_default();
    let message = serde_json::from_str(data).unwrap_or(Value::Null);
    Some((field("id: ").unwrap_or_default().to_owned(), message))
}

pub(super) async fn message(stream: &mut Body) -> Value {
    event(stream).await.expect("the stream goes on").1
}

pub(super) async fn json_of(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

pub(super) fn notification(method: &str, params: &Value) -> Event {
    let text = json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string();
    Event::Notification(text.into())
}

pub(super) fn progress(progress: u64) -> Event {
    notification("notifications/progress", &json!({ "progressToken": "p", "progress": progress }))
}

pub(super) fn response(id: u64) -> Event {
    let text = json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string();
    Event::Response(crate::call::Response::ok(text.into()))
}

pub(super) fn question() -> (Event, oneshot::Receiver<Answer>) {
    let (sender, answer) = oneshot::channel();
    let text = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
    let responder = Responder::new(move |answer| drop(sender.send(answer)));
    (Event::Request(text.into(), responder), answer)
}

fn with_public_url() -> Config {
    let mut config = Config::default();
    config.aggregator.public_url = Some("https://gate.example/mcp".parse().unwrap());
    config
}
