//! A backend that answers as a test tells it, and a connection to it.

mod listening;
mod opening;
mod replies;
mod sessions;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time;
use tokio_util::task::TaskTracker;

use super::Connection;
use crate::backends::relay::Target;
use crate::backends::{
    Background, Config, Isolation, OpenError, Opened, Remote, Tls, Transport, Unsolicited,
};
use crate::call::{self, Body, Error, Event, Reply};
use crate::mcp::{Capabilities, Message};
use crate::outbound::Client;
use crate::outbound::scripted::{self, Answer, Server, answer, client};

/// Nothing takes that long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as the backend saw it.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    headers: HeaderMap,
    message: Value,
}

impl Seen {
    fn is(&self, method: &str) -> bool {
        self.message["method"] == method
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn session(&self) -> Option<&str> {
        self.header("mcp-session-id")
    }

    /// A response to this request, as JSON.
    fn result(&self, result: &Value) -> Answer {
        scripted::json(self.result_text(result))
    }

    fn result_text(&self, result: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result }).to_string()
    }
}

/// All that a backend saw.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<Seen>>, Notify)>);

impl Log {
    fn add(&self, seen: Seen) {
        self.0.0.lock().push(seen);
        self.0.1.notify_waiters();
    }

    fn count(&self, matches: impl Fn(&Seen) -> bool) -> usize {
        self.0.0.lock().iter().filter(|seen| matches(seen)).count()
    }

    fn initializations(&self) -> usize {
        self.count(|seen| seen.is("initialize"))
    }

    /// The first request that matches, as soon as it is there.
    async fn wait_for(&self, matches: impl Fn(&Seen) -> bool) -> Seen {
        let waiting = async {
            loop {
                let notified = self.0.1.notified();
                let found = self.0.0.lock().iter().find(|seen| matches(seen)).cloned();
                if let Some(seen) = found {
                    return seen;
                }
                notified.await;
            }
        };
        time::timeout(PATIENCE, waiting).await.expect("the backend sees such a request")
    }
}

/// A backend with sessions `s1`, `s2`, … and no GET stream, but for what the script answers.
async fn backend<F>(script: impl Fn(Seen) -> F + Send + Sync + 'static) -> (Server, Log)
where
    F: Future<Output = Option<Answer>> + Send + 'static,
{
    let (log, sessions) = (Log::default(), Arc::new(AtomicUsize::new(0)));
    let seen_by = log.clone();
    let server = Server::start(move |request: Request<Bytes>| {
        let (head, body) = request.into_parts();
        let message = serde_json::from_slice(&body).unwrap_or_default();
        let seen = Seen { method: head.method, headers: head.headers, message };
        seen_by.add(seen.clone());
        let (answering, sessions) = (script(seen.clone()), Arc::clone(&sessions));
        async move {
            match answering.await {
                Some(answer) => answer,
                None => usual(&seen, &sessions),
            }
        }
    })
    .await;
    (server, log)
}

fn usual(seen: &Seen, sessions: &AtomicUsize) -> Answer {
    match seen.method {
        Method::GET => answer(405, "", ""),
        Method::DELETE => answer(200, "", ""),
        _ if seen.is("initialize") => {
            let mut answer = seen.result(&initialize_result("2025-11-25"));
            let session = format!("s{}", sessions.fetch_add(1, Ordering::SeqCst) + 1);
            answer.headers_mut().insert("mcp-session-id", session.parse().unwrap());
            answer
        }
        _ if seen.message.get("id").is_none() || seen.message.get("method").is_none() => {
            answer(202, "", "")
        }
        _ => seen.result(&json!({ "of": seen.message["params"]["name"] })),
    }
}

fn initialize_result(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {},
        "serverInfo": { "name": "scripted", "version": "1" },
    })
}

/// A script that says nothing of its own.
async fn nothing(_: Seen) -> Option<Answer> {
    None
}

fn config(server: &Server) -> Config {
    Config {
        name: "scripted".into(),
        transport: Transport::StreamableHttp(Remote {
            url: server.url(),
            headers: Vec::new(),
            http2: false,
            tls: Tls::default(),
        }),
        isolation: Isolation::Shared,
        connect_timeout: Duration::from_secs(5),
        call_timeout: PATIENCE,
        max_in_flight: None,
        trust_annotations: false,
    }
}

/// A connection as its pool holds it.
struct Fixture {
    connection: Arc<Connection>,
    initialized: Bytes,
    inbox: mpsc::Receiver<Unsolicited>,
    client: Client,
    background: Background,
}

impl Fixture {
    async fn open(config: Config) -> Result<Self, OpenError> {
        let (client, tasks) = (client(), TaskTracker::new());
        let background = Background { runtime: tokio::runtime::Handle::current(), tasks };
        let config = Arc::new(config);
        let opened =
            Connection::open(&config, &background, &client, Capabilities::ROOTS, true).await?;
        let Opened { connection, initialized, inbox } = opened;
        Ok(Self { connection, initialized, inbox, client, background })
    }

    async fn call(&self, request: &str) -> Result<Reply, Error> {
        let message = Message::parse(Bytes::from(request.to_owned())).unwrap();
        let request = call::Request::new(message).unwrap();
        let target = Target::default();
        let calling = self.connection.call(&self.client, &request, &target);
        time::timeout(PATIENCE, calling).await.expect("the call ends")
    }

    async fn unsolicited(&mut self) -> Unsolicited {
        let next = time::timeout(PATIENCE, self.inbox.recv()).await;
        next.expect("something comes in").expect("the connection is open")
    }
}

/// The fixture of a backend with that script.
async fn connected<F>(script: impl Fn(Seen) -> F + Send + Sync + 'static) -> (Fixture, Log, Server)
where
    F: Future<Output = Option<Answer>> + Send + 'static,
{
    let (server, log) = backend(script).await;
    let fixture = Fixture::open(config(&server)).await.unwrap();
    (fixture, log, server)
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":"caller","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"token"}}}"#;

fn is_call(seen: &Seen) -> bool {
    seen.is("tools/call")
}

/// The one message that a reply is.
fn message(reply: Reply) -> Value {
    match reply.into_body() {
        Body::Message(response) => serde_json::from_slice(&response.bytes).unwrap(),
        Body::Stream(_) => panic!("a stream instead of a message"),
    }
}

/// The stream that a reply is.
struct Stream(call::Events);

impl Stream {
    fn of(reply: Reply) -> Self {
        match reply.into_body() {
            Body::Message(response) => panic!("a message instead of a stream: {response:?}"),
            Body::Stream(events) => Self(events),
        }
    }

    async fn next(&mut self) -> Result<Event, Error> {
        let next = time::timeout(PATIENCE, self.0.next()).await;
        next.expect("an event comes").expect("the stream goes on")
    }

    async fn notification(&mut self) -> Value {
        match self.next().await.unwrap() {
            Event::Notification(bytes) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("no notification: {other:?}"),
        }
    }

    async fn request(&mut self) -> (Value, call::Responder) {
        match self.next().await.unwrap() {
            Event::Request(bytes, responder) => {
                (serde_json::from_slice(&bytes).unwrap(), responder)
            }
            other => panic!("no request: {other:?}"),
        }
    }

    async fn response(&mut self) -> Value {
        match self.next().await.unwrap() {
            Event::Response(response) => serde_json::from_slice(&response.bytes).unwrap(),
            other => panic!("no response: {other:?}"),
        }
    }
}

/// Events with one message each.
fn events(messages: impl IntoIterator<Item = String>) -> String {
    messages.into_iter().fold(String::new(), |text, message| text + "data: " + &message + "\n\n")
}
