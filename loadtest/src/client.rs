//! One MCP client: a keep-alive HTTP/1.1 connection and a session.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PROTOCOL_VERSION: &str = "2025-11-25";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// How long an answer may take; a closed loop would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that has initialised its session.
pub(crate) struct Client {
    uri: Uri,
    tool: String,
    sender: SendRequest<Full<Bytes>>,
    session: Option<HeaderValue>,
    /// Drives the connection.
    _connection: JoinSet<()>,
}

/// What an answer to `tools/call` has to look like.
#[derive(Deserialize)]
struct Answer {
    id: Value,
    result: Option<ToolResult>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult {
    content: Vec<Content>,
    #[serde(default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
}

impl Client {
    pub(crate) async fn connect(
        address: SocketAddr,
        uri: &Uri,
        tool: &str,
    ) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(socket)).await?;
        let mut connection = JoinSet::new();
        // Whoever sends learns of a failure by the failed request.
        connection.spawn(async move { driver.await.unwrap_or_default() });
        let (uri, tool) = (uri.clone(), tool.to_owned());
        let mut client = Self { uri, tool, sender, session: None, _connection: connection };
        client.initialize().await.context("cannot initialise a session")?;
        Ok(client)
    }

    async fn initialize(&mut self) -> anyhow::Result<()> {
        let params = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "portcullis-loadtest", "version": env!("CARGO_PKG_VERSION") },
        });
        let request =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = self.send(Method::POST, request.to_string()).await?;
        expect(&response, StatusCode::OK)?;
        let session = response.headers().get(SESSION).cloned();
        let answer: Value = serde_json::from_slice(&message(response).await?)?;
        ensure!(answer.get("result").is_some(), "the answer is {answer}");
        self.session = session;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let response = self.send(Method::POST, initialized.to_string()).await?;
        expect(&response, StatusCode::ACCEPTED)?;
        response.into_body().collect().await?;
        Ok(())
    }

    /// Calls the tool once and checks that the answer is the one to this call.
    pub(crate) async fn call(&mut self, id: u64, message_text: &str) -> anyhow::Result<()> {
        let params = json!({ "name": self.tool, "arguments": { "message": message_text } });
        let request =
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let answer = async {
            let response = self.send(Method::POST, request.to_string()).await?;
            expect(&response, StatusCode::OK)?;
            message(response).await
        };
        check(&timeout(PATIENCE, answer).await.context("no answer in time")??, id, message_text)
    }

    /// Ends the session; that it is over anyway makes a failure harmless.
    pub(crate) async fn close(mut self) {
        if self.session.is_some() {
            timeout(PATIENCE, self.send(Method::DELETE, String::new())).await.ok();
        }
    }

    async fn send(&mut self, method: Method, body: String) -> anyhow::Result<Response<Incoming>> {
        let host = self.uri.authority().context("the URL has an authority")?.as_str();
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        if let Some(session) = &self.session {
            request = request.header(SESSION, session).header(VERSION, PROTOCOL_VERSION);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::from(body))?).await?)
    }
}

fn expect(response: &Response<Incoming>, status: StatusCode) -> anyhow::Result<()> {
    ensure!(response.status() == status, "HTTP status {}, not {status}", response.status());
    Ok(())
}

/// The JSON-RPC message of a response, alone or as the last event of a stream.
async fn message(response: Response<Incoming>) -> anyhow::Result<Bytes> {
    let is_stream = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let body = response.into_body().collect().await?.to_bytes();
    if !is_stream {
        return Ok(body);
    }
    let data = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let last = data.map(<[u8]>::trim_ascii).rfind(|data| !data.is_empty());
    Ok(body.slice_ref(last.context("a stream without a message")?))
}

fn check(answer: &[u8], id: u64, text: &str) -> anyhow::Result<()> {
    let answer: Answer = serde_json::from_slice(answer)
        .with_context(|| format!("not an answer: {}", String::from_utf8_lossy(answer)))?;
    ensure!(answer.id == id, "the answer to {id} has the id {}", answer.id);
    let Some(result) = answer.result else {
        bail!("error {}", answer.error.unwrap_or_default());
    };
    let texts: Vec<_> = result.content.iter().filter_map(|item| item.text.as_deref()).collect();
    ensure!(!result.is_error, "tool error {texts:?}");
    ensure!(texts == [text], "{text:?} came back as {texts:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_call_passes() {
        let answer = |id: &str, text: &str, rest: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]{rest}}}}}"#
            )
        };
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;
        for (name, text, passes) in [
            ("the answer", answer("1", "a", r#","isError":false"#), true),
            ("another id", answer("2", "a", ""), false),
            ("an id of another type", answer("\"1\"", "a", ""), false),
            ("another text", answer("1", "b", ""), false),
            ("a tool error", answer("1", "a", r#","isError":true"#), false),
            ("an error", error.to_owned(), false),
            ("no JSON", "<html>".to_owned(), false),
        ] {
            assert_eq!(check(text.as_bytes(), 1, "a").is_ok(), passes, "{name}");
        }
    }
}
