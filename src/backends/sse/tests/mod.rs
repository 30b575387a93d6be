//! A server that opens its stream, and answers POSTs, as a test tells it. Ids are predictable:
//! `initialize` is 1, what follows 2, 3, …

mod calls;
mod failures;
mod opening;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::TaskTracker;

use crate::backends::duplex::Connection;
use crate::backends::relay::Target;
use crate::backends::{
    Background, Config, Isolation, OpenError, Opened, Remote, Tls, Transport, Unsolicited,
};
use crate::call::{self, Body, Error, Event, Reply};
use crate::mcp::{Capabilities, Message};
use crate::outbound::scripted::{self, Answer, Server, answer};

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    path: String,
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

    /// A response to this request, as an event.
    fn result(&self, result: &Value) -> String {
        event(&json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result }))
    }
}

/// What the server does about a POST.
struct Reaction {
    answer: Answer,
    /// Written to the stream, as it is.
    says: String,
    /// Whether the stream ends behind that.
    ends: bool,
    /// Whether the POST has no answer at all.
    hangs: bool,
}

/// Accepts the message and says something on the stream.
fn says(text: impl Into<String>) -> Reaction {
    Reaction { answer: answer(202, "", "Accepted"), says: text.into(), ends: false, hangs: false }
}

/// Answers the POST, and says nothing.
fn answers(answer: Answer) -> Reaction {
    Reaction { answer, says: String::new(), ends: false, hangs: false }
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

fn endpoint(named: &str) -> String {
    format!("event: endpoint\ndata: {named}\n\n")
}

/// What both sides of a test see.
#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    saw: Notify,
    stream: Mutex<Option<mpsc::Sender<String>>>,
}

impl State {
    fn count(&self, matches: impl Fn(&Seen) -> bool) -> usize {
        self.seen.lock().iter().filter(|seen| matches(seen)).count()
    }

    /// The first request that matches, as soon as it is there.
    async fn wait_for(&self, matches: impl Fn(&Seen) -> bool) -> Seen {
        soon(async {
            loop {
                let saw = self.saw.notified();
                let found = self.seen.lock().iter().find(|seen| matches(seen)).cloned();
                if let Some(seen) = found {
                    return seen;
                }
                saw.await;
            }
        })
        .await
    }

    async fn say(&self, text: String) {
        let stream = self.stream.lock().clone();
        if let Some(stream) = stream.filter(|_| !text.is_empty()) {
            let _ = stream.send(text).await;
        }
    }
}

/// A server at `/a/sse` whose stream begins with `head`; `script` reacts to POSTs, or leaves them
/// to the usual.
async fn server<F>(
    head: &'static str,
    script: impl Fn(Seen) -> F + Send + Sync + 'static,
) -> (Server, Arc<State>)
where
    F: Future<Output = Option<Reaction>> + Send + 'static,
{
    let state = Arc::<State>::default();
    let shared = Arc::clone(&state);
    let server = Server::start(move |request: Request<Bytes>| {
        let (head_of, body) = request.into_parts();
        let message = serde_json::from_slice(&body).unwrap_or_default();
        let path = head_of.uri.to_string();
        let seen = Seen { method: head_of.method, path, headers: head_of.headers, message };
        shared.seen.lock().push(seen.clone());
        shared.saw.notify_waiters();
        let (state, reacting) = (Arc::clone(&shared), script(seen.clone()));
        async move {
            let reaction = reacting.await;
            if seen.method == Method::GET && reaction.is_none() {
                let (sender, answer) = scripted::open_sse();
                sender.send(head.to_owned()).await.unwrap();
                *state.stream.lock() = Some(sender);
                return answer;
            }
            let reaction = reaction.unwrap_or_else(|| usual(&seen));
            let Reaction { answer, says, ends, hangs } = reaction;
            state.say(says).await;
            if hangs {
                std::future::pending::<()>().await;
            }
            if ends {
                state.stream.lock().take();
            }
            answer
        }
    })
    .await;
    (server, state)
}

fn usual(seen: &Seen) -> Reaction {
    let is_request = seen.message.get("id").is_some() && seen.message.get("method").is_some();
    says(match is_request {
        true if seen.is("initialize") => seen.result(&json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "serverInfo": { "name": "scripted", "version": "1" },
        })),
        true => seen.result(&json!({})),
        false => String::new(),
    })
}

fn is_call(seen: &Seen) -> bool {
    seen.is("tools/call")
}

fn config(server: &Server, isolation: Isolation) -> Config {
    let mut url = server.url();
    url.set_path("/a/sse");
    let headers = vec![("x-key".parse().unwrap(), "secret".parse().unwrap())];
    Config {
        name: "test".into(),
        transport: Transport::Sse(Remote { url, headers, http2: false, tls: Tls::default() }),
        isolation,
        connect_timeout: Duration::from_secs(15),
        call_timeout: Duration::from_secs(15),
        max_in_flight: None,
        trust_annotations: false,
    }
}

async fn open_config(config: Config) -> Result<Opened<Connection>, OpenError> {
    let runtime = tokio::runtime::Handle::current();
    let background = Background { runtime, tasks: TaskTracker::new() };
    let client = scripted::client();
    super::open(&Arc::new(config), &background, &client, Capabilities::NONE).await
}

/// A server, and a connection to it.
struct Fixture {
    connection: Arc<Connection>,
    inbox: mpsc::Receiver<Unsolicited>,
    state: Arc<State>,
    server: Server,
}

const HEAD: &str = "event: endpoint\ndata: /message?sessionId=1\n\n";

/// A connection to a server that reacts to calls like that.
async fn open<F>(
    isolation: Isolation,
    script: impl Fn(Seen) -> F + Send + Sync + 'static,
) -> Fixture
where
    F: Future<Output = Option<Reaction>> + Send + 'static,
{
    let (server, state) = server(HEAD, script).await;
    let opened = open_config(config(&server, isolation)).await.unwrap();
    Fixture { connection: opened.connection, inbox: opened.inbox, state, server }
}

impl Fixture {
    async fn call(&self, name: &str) -> Result<Reply, Error> {
        let text = json!({
            "jsonrpc": "2.0", "id": name, "method": "tools/call",
            "params": { "name": name, "_meta": { "progressToken": "p" } },
        });
        let message = Message::parse(Bytes::from(text.to_string())).unwrap();
        let request = call::Request::new(message).unwrap();
        soon(self.connection.call(&request, &Target::default())).await
    }

    /// The response of a call that has no other events.
    async fn answer(&self, name: &str) -> Value {
        match self.call(name).await.unwrap().into_body() {
            Body::Message(response) => serde_json::from_slice(&response.bytes).unwrap(),
            Body::Stream(_) => panic!("the reply is a stream"),
        }
    }
}

/// Waits for something that comes unless the code is wrong.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(15);
    tokio::time::timeout(patience, future).await.expect("comes soon")
}

/// A script that says nothing of its own.
async fn nothing(_: Seen) -> Option<Reaction> {
    None
}
