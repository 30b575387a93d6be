//! An MCP client of sessions and streams that shows what it gets byte for byte.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::{Request, Response};
use crate::within;

const ACCEPT: &str = "application/json, text/event-stream";

/// A client with a session of MCP 2025-11-25 or older, over streamable HTTP. Each request has a connection of its own.
pub struct RawClient {
    url: String,
    source: Ipv4Addr,
    headers: Vec<(String, String)>,
    version: String,
    session: Option<String>,
    hello: String,
    last_id: AtomicU64,
}

impl RawClient {
    /// Initialises a session at 2025-11-25.
    pub async fn connect(url: &str, capabilities: &Value) -> Self {
        Self::connect_at(url, "2025-11-25", capabilities).await
    }

    /// Initialises a session at `version`.
    pub async fn connect_at(url: &str, version: &str, capabilities: &Value) -> Self {
        Self::open(Ipv4Addr::UNSPECIFIED, &[], url, version, capabilities).await
    }

    /// Initialises a session at 2025-11-25 whose requests all come from this address of the machine.
    pub async fn connect_from(source: Ipv4Addr, url: &str, capabilities: &Value) -> Self {
        Self::open(source, &[], url, "2025-11-25", capabilities).await
    }

    /// Initialises a session at 2025-11-25 whose requests all have these headers.
    pub async fn connect_with(headers: &[(&str, &str)], url: &str) -> Self {
        Self::open(Ipv4Addr::UNSPECIFIED, headers, url, "2025-11-25", &json!({})).await
    }

    async fn open(
        source: Ipv4Addr,
        headers: &[(&str, &str)],
        url: &str,
        version: &str,
        capabilities: &Value,
    ) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut client = Self {
            url: url.to_owned(),
            source,
            headers: headers.iter().map(own).collect(),
            version: version.to_owned(),
            session: None,
            hello: String::new(),
            last_id: AtomicU64::new(0),
        };
        let info = json!({"name": "raw", "version": "0"});
        let params =
            json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": info});
        let mut exchange = client.start("initialize", &params).await;
        assert_eq!(exchange.response.status, 200, "initialize at {url}");
        client.session = exchange.response.header("mcp-session-id").map(str::to_owned);
        client.hello = exchange.response_message().await;
        assert!(member(&client.hello, "result").is_some(), "initialize at {url}: {}", client.hello);
        client.notify("notifications/initialized", &json!({})).await;
        client
    }

    /// The same for whoever has this access token.
    pub async fn connect_as(token: &str, url: &str) -> Self {
        Self::connect_with(&[("Authorization", &format!("Bearer {token}"))], url).await
    }

    /// Goes on with another access token and no other header of its own.
    pub fn set_token(&mut self, token: &str) {
        self.headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
    }

    /// The response to `initialize`, as it came.
    pub fn hello(&self) -> &str {
        &self.hello
    }

    /// The session id.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// A request with the headers of this session, to be changed and sent by the test.
    pub fn request(&self, method: &str) -> Request {
        let mut request = Request::new(method, &self.url).from(self.source);
        request = request.header("Accept", ACCEPT);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(session) = &self.session {
            request = request
                .header("Mcp-Session-Id", session)
                .header("MCP-Protocol-Version", &self.version);
        }
        request
    }

    /// POSTs a body as it is.
    pub async fn post(&self, body: impl Into<Vec<u8>>) -> Response {
        self.request("POST").header("Content-Type", "application/json").body(body).send().await
    }

    /// Starts a request and leaves its stream to the caller.
    pub async fn start(&self, method: &str, params: &Value) -> Exchange {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Exchange::new(json!(id), self.post(message.to_string()).await)
    }

    /// Sends a request and returns the message that answers it.
    pub async fn call(&self, method: &str, params: &Value) -> String {
        self.start(method, params).await.response_message().await
    }

    /// Calls a tool and returns the message that answers it.
    pub async fn call_tool(&self, name: &str, arguments: &Value) -> String {
        self.call("tools/call", &json!({"name": name, "arguments": arguments})).await
    }

    /// Sends a notification, which has to be accepted.
    pub async fn notify(&self, method: &str, params: &Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let response = self.post(message.to_string()).await;
        assert_eq!(response.status, 202, "{method}");
    }

    /// Answers a request of the server.
    pub async fn answer(&self, request: &str, result: &Value) {
        let id = member(request, "id").unwrap_or_else(|| panic!("not a request: {request}"));
        let response =
            self.post(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)).await;
        assert_eq!(response.status, 202, "answer to {request}");
    }

    /// Opens the stream for what belongs to no request.
    pub async fn listen(&self) -> Response {
        self.request("GET").header("Accept", "text/event-stream").send().await
    }

    /// Asks for the rest of a stream.
    pub async fn resume(&self, last_event_id: &str) -> Response {
        self.request("GET")
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", last_event_id)
            .send()
            .await
    }

    /// Ends the session and returns the status.
    pub async fn close(self) -> u16 {
        self.request("DELETE").send().await.status
    }
}

/// A request under way.
pub struct Exchange {
    /// The id of the request.
    pub id: Value,
    /// The HTTP response, of which the messages are read.
    pub response: Response,
    json_read: bool,
}

impl Exchange {
    fn new(id: Value, response: Response) -> Self {
        Self { id, response, json_read: false }
    }

    /// The next message, from a JSON body or a stream; `None` at the end. Priming events and comments are left out.
    pub async fn message(&mut self) -> Option<String> {
        if self
            .response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
        {
            let message = async {
                loop {
                    let event = self.response.event().await?;
                    if let Some(message) = event.message() {
                        return Some(message.to_owned());
                    }
                }
            };
            // Comments keep a stream alive, and would keep the test waiting.
            return within("a message on the stream", message).await;
        }
        if std::mem::replace(&mut self.json_read, true) {
            return None;
        }
        Some(self.response.text().await).filter(|text| !text.is_empty())
    }

    /// All messages up to the response, which is the last one.
    pub async fn messages(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            let is_response = member(&message, "method").is_none();
            messages.push(message);
            if is_response {
                return messages;
            }
        }
        panic!("no response, HTTP status {}, messages {messages:?}", self.response.status)
    }

    /// The message that answers the request; those before it are dropped.
    pub async fn response_message(&mut self) -> String {
        self.messages().await.pop().expect("the last message is the response")
    }
}

/// The raw JSON of one member of an object, as it stands in `message`.
pub fn member<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(message)
        .unwrap_or_else(|error| panic!("not an object: {error}: {message}"));
    members.get(name).map(|value| value.get())
}
