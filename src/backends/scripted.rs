//! A backend that does what a test says, without a transport.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Dialer;
use super::offer::Kind;
use super::questions::Questions;
use super::relay::{Target, outgoing};
use super::{
    Background, Config, Context, Handle, INBOX_CAPACITY, Isolation, Key, OpenError, Opened,
    SessionSink, Stdio, Transport, Unsolicited,
};
use crate::call::{self, Event, Reply, Response, SessionId};
use crate::mcp::{Capabilities, Message, ProtocolVersion, response};
use crate::outbound;

/// What a call is answered with.
pub(crate) enum Answer {
    /// One message with this result.
    Result(&'static str),
    /// These events, as the test sends them; the stream ends when the sender is dropped.
    Events(mpsc::Receiver<Event>),
    /// An error instead of a reply.
    Error(call::Error),
    /// Nothing, ever.
    Never,
}

/// The lists of a backend: for each kind its pages, and on them the items as JSON.
pub(crate) type Lists = HashMap<Kind, Vec<Vec<String>>>;

/// A scripted backend, and all that was done to it.
pub(crate) struct Backend {
    initialized: Mutex<Bytes>,
    lists: Mutex<HashMap<Option<Capabilities>, Lists>>,
    refuses: Mutex<Option<OpenError>>,
    opening: Semaphore,
    answers: Mutex<VecDeque<Answer>>,
    connections: Mutex<Vec<Arc<Connection>>>,
    asked: watch::Sender<Vec<Bytes>>,
    requested: Mutex<Vec<String>>,
    cancelled: watch::Sender<usize>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted::Backend")
    }
}

impl Backend {
    /// A backend that declares everything, lists nothing, and answers calls with `{}`.
    pub(crate) fn new() -> Arc<Self> {
        let initialized = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {
                "tools": {}, "prompts": {}, "resources": { "subscribe": true },
                "logging": {}, "completions": {},
            },
            "serverInfo": { "name": "scripted", "version": "1" },
        });
        Arc::new(Self {
            initialized: Mutex::new(Bytes::from(initialized.to_string())),
            lists: Mutex::default(),
            refuses: Mutex::default(),
            opening: Semaphore::new(Semaphore::MAX_PERMITS),
            answers: Mutex::default(),
            connections: Mutex::default(),
            asked: watch::Sender::default(),
            requested: Mutex::default(),
            cancelled: watch::Sender::default(),
        })
    }

    /// A backend with these tools.
    pub(crate) fn with_tools(tools: &[&str]) -> Arc<Self> {
        let backend = Self::new();
        backend.offer(Kind::Tool, tools);
        backend
    }

    /// Lists these names or URIs from now on, on one page, whoever asks.
    pub(crate) fn offer(&self, kind: Kind, keys: &[&str]) {
        self.offer_to(None, kind, keys);
    }

    /// Lists these to a connection that declares this set, others elsewhere.
    pub(crate) fn offer_to(&self, set: Option<Capabilities>, kind: Kind, keys: &[&str]) {
        let page = keys.iter().map(|key| item(kind, key)).collect();
        self.lists.lock().entry(set).or_default().insert(kind, vec![page]);
    }

    /// Lists these pages of raw items from now on.
    pub(crate) fn offer_pages(&self, kind: Kind, pages: Vec<Vec<String>>) {
        self.lists.lock().entry(None).or_default().insert(kind, pages);
    }

    /// Fails to open connections from now on.
    pub(crate) fn refuse(&self, error: Option<OpenError>) {
        *self.refuses.lock() = error;
    }

    /// Opens no connection until [`Self::let_open`].
    pub(crate) fn hold_opening(&self) {
        self.opening.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets that many connections be opened.
    pub(crate) fn let_open(&self, connections: usize) {
        self.opening.add_permits(connections);
    }

    /// Answers the next call like this; calls after the last programmed answer get `{}`.
    pub(crate) fn answer(&self, answer: Answer) {
        self.answers.lock().push_back(answer);
    }

    /// The connections opened so far, also closed ones.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().clone()
    }

    /// All calls, as they would have gone over the wire.
    pub(crate) fn asked(&self) -> Vec<Bytes> {
        self.asked.borrow().clone()
    }

    /// All requests of the gateway itself: method and parameters.
    pub(crate) fn requested(&self) -> Vec<String> {
        self.requested.lock().clone()
    }

    /// Waits until that many calls were cancelled.
    pub(crate) async fn cancelled(&self, count: usize) {
        let mut cancelled = self.cancelled.subscribe();
        cancelled.wait_for(|seen| *seen >= count).await.expect("the backend outlives the wait");
    }

    /// A handle to this backend.
    pub(crate) fn handle(self: &Arc<Self>, config: Config, context: &Context) -> Arc<Handle> {
        let dialer = Dialer::Scripted(self.clone());
        Handle::with_dialer(Arc::new(config), context.clone(), dialer)
    }

    pub(super) async fn open(
        self: &Arc<Self>,
        capabilities: Capabilities,
    ) -> Result<Opened<Connection>, OpenError> {
        self.opening.acquire().await.expect("never closed").forget();
        if let Some(error) = self.refuses.lock().clone() {
            return Err(error);
        }
        let (say, inbox) = mpsc::channel(INBOX_CAPACITY);
        let connection = Arc::new(Connection {
            backend: self.clone(),
            capabilities,
            closed: CancellationToken::new(),
            say: Mutex::new(Some(say)),
            questions: Questions::default(),
        });
        self.connections.lock().push(connection.clone());
        Ok(Opened { connection, initialized: self.initialized.lock().clone(), inbox })
    }
}

/// The JSON of an item with that name or URI.
pub(crate) fn item(kind: Kind, key: &str) -> String {
    match kind {
        Kind::Tool => json!({ "name": key, "inputSchema": { "type": "object" } }),
        Kind::Prompt => json!({ "name": key }),
        Kind::Resource => json!({ "uri": key, "name": key }),
        Kind::ResourceTemplate => json!({ "uriTemplate": key, "name": key }),
    }
    .to_string()
}

/// A connection to a scripted backend.
pub struct Connection {
    backend: Arc<Backend>,
    pub(crate) capabilities: Capabilities,
    closed: CancellationToken,
    say: Mutex<Option<mpsc::Sender<Unsolicited>>>,
    questions: Questions,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "scripted::Connection({:?})", self.capabilities)
    }
}

/// Tells the backend that a call was given up before its response.
struct Unanswered(Option<Arc<Backend>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(backend) = self.0.take() {
            backend.cancelled.send_modify(|count| *count += 1);
        }
    }
}

#[expect(clippy::unused_async, reason = "has the shape of a transport's")]
impl Connection {
    pub(super) async fn call(
        &self,
        _client: &outbound::Client,
        request: &call::Request,
        target: &Target,
    ) -> Result<Reply, call::Error> {
        let wire_id = self.backend.asked.borrow().len() as u64;
        self.backend.asked.send_modify(|asked| asked.push(outgoing(request, wire_id, target)));
        let answer = self.backend.answers.lock().pop_front().unwrap_or(Answer::Result("{}"));
        let mut unanswered = Unanswered(Some(self.backend.clone()));
        match answer {
            Answer::Result(result) => {
                unanswered.0 = None;
                let bytes = response::result(request.id(), result.as_bytes());
                Ok(Reply::message(Response::ok(bytes)))
            }
            Answer::Error(error) => {
                unanswered.0 = None;
                Err(error)
            }
            Answer::Events(events) => {
                let state = (events, unanswered);
                Ok(Reply::stream(stream::unfold(state, |(mut events, mut unanswered)| async {
                    let event = events.recv().await?;
                    if matches!(event, Event::Response(_)) {
                        unanswered.0 = None;
                    }
                    Some((Ok(event), (events, unanswered)))
                })))
            }
            Answer::Never => {
                let never = stream::pending::<Result<Event, call::Error>>();
                Ok(Reply::stream(never.inspect(move |_| drop(unanswered.0.take()))))
            }
        }
    }

    pub(super) async fn request(
        &self,
        _client: &outbound::Client,
        method: &str,
        params: Option<&Value>,
        _deadline: Duration,
    ) -> Result<Message, call::Error> {
        if self.closed.is_cancelled() {
            let backend = "scripted".into();
            return Err(call::Error::ConnectionLost { backend, detail: "closed".into() });
        }
        let said = params.map_or_else(|| method.to_owned(), |params| format!("{method} {params}"));
        self.backend.requested.lock().push(said);
        let kind = Kind::ALL.into_iter().find(|kind| kind.method() == method);
        let result = kind.map_or_else(|| "{}".to_owned(), |kind| self.page(kind, params));
        let text = response::result(&0.into(), result.as_bytes());
        Message::parse(text).map_err(|error| call::Error::BadAnswer {
            backend: "scripted".into(),
            detail: error.to_string().into(),
        })
    }

    fn page(&self, kind: Kind, params: Option<&Value>) -> String {
        let lists = self.backend.lists.lock();
        let lists = lists.get(&Some(self.capabilities)).or_else(|| lists.get(&None));
        let pages = lists.and_then(|lists| lists.get(&kind)).map_or(&[][..], Vec::as_slice);
        let cursor = params.and_then(|params| params["cursor"].as_str());
        let at = cursor.map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        let items = pages.get(at).map(|page| page.join(",")).unwrap_or_default();
        let next = if at + 1 < pages.len() {
            format!(r#","nextCursor":"{}""#, at + 1)
        } else {
            String::new()
        };
        format!(r#"{{"{}":[{items}]{next}}}"#, kind.field())
    }

    pub(super) async fn notify(&self, _client: &outbound::Client, _message: Bytes) {}

    pub(super) async fn close(&self) {
        self.die();
    }

    pub(super) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    #[expect(clippy::unused_self, reason = "has the shape of a transport's")]
    pub(super) fn version(&self) -> ProtocolVersion {
        ProtocolVersion::LATEST_LEGACY
    }

    pub(super) fn has_open_questions(&self) -> bool {
        self.questions.are_open()
    }

    /// Asks the client something that belongs to no call, as long as the aside lives.
    pub(crate) fn ask(&self, id: u64) -> Arc<call::Aside> {
        self.questions.ask(id.into(), |_| {})
    }

    /// Whether it was closed, or died.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Ends as a process does that was killed.
    pub(crate) fn die(&self) {
        self.closed.cancel();
        self.say.lock().take();
    }

    /// Says something that belongs to no call.
    pub(crate) fn say(&self, message: Unsolicited) {
        let say = self.say.lock().clone().expect("a closed connection says nothing");
        say.try_send(message).expect("the inbox is read");
    }

    /// Sends a notification without parameters.
    pub(crate) fn notification(&self, method: &str) {
        let text = json!({ "jsonrpc": "2.0", "method": method }).to_string();
        self.say(Unsolicited::Notification(Message::parse(Bytes::from(text)).unwrap()));
    }
}

/// The configuration of a stdio backend; the command is never run.
pub(crate) fn config(name: &str, isolation: Isolation) -> Config {
    Config {
        name: name.into(),
        transport: Transport::Stdio(Stdio {
            command: "scripted".to_owned(),
            args: Vec::new(),
            env: std::collections::BTreeMap::new(),
            cwd: None,
        }),
        isolation,
        connect_timeout: Duration::from_secs(30),
        call_timeout: Duration::from_mins(5),
        max_in_flight: None,
        trust_annotations: false,
    }
}

/// The same for a backend that is reached over HTTP.
pub(crate) fn http_config(name: &str, isolation: Isolation) -> Config {
    let remote = super::Remote {
        url: "http://127.0.0.1:1/mcp".parse().unwrap(),
        headers: Vec::new(),
        http2: false,
        tls: super::Tls::default(),
    };
    Config { transport: Transport::StreamableHttp(remote), ..config(name, isolation) }
}

/// A sink without sessions: everything is given back.
struct NoSessions;

impl SessionSink for NoSessions {
    fn deliver(&self, _: SessionId, _: &Arc<str>, message: Unsolicited) -> Result<(), Unsolicited> {
        Err(message)
    }

    fn elicited(&self, _: &Arc<str>, _: &Message) -> bool {
        false
    }

    fn expects(&self, _: &Arc<str>, _: Key) -> bool {
        false
    }

    fn subscribed(&self, _: &Arc<str>, _: Key) -> Vec<Box<str>> {
        Vec::new()
    }

    fn has_ended(&self, _: SessionId) -> bool {
        false
    }
}

/// What all backends of a test share, on the test's own runtime.
pub(crate) fn context() -> Context {
    context_with(Arc::new(NoSessions))
}

/// The same, with somebody who hears what comes for sessions.
pub(crate) fn context_with(sessions: Arc<dyn SessionSink>) -> Context {
    let runtime = tokio::runtime::Handle::current();
    let background = Background { runtime, tasks: TaskTracker::new() };
    Context::new(background, client(), sessions, 100)
}

/// An HTTP client that is never used.
pub(crate) fn client() -> outbound::Client {
    let trust = outbound::Trust::new(&[]).expect("no files are read");
    outbound::Client::new(Arc::new(trust), TaskTracker::new())
}
