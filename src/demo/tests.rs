//! Raw JSON-RPC over both transports.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), future).await.expect("comes soon")
}

fn request(id: u32, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// A client on two pipes.
struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    server: JoinSet<anyhow::Result<()>>,
    next_id: u32,
}

impl Client {
    async fn connect() -> Self {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let mut server = JoinSet::new();
        server.spawn(serve(tokio::io::split(theirs)));
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Self { reader: BufReader::new(reader), writer, server, next_id: 1 };
        client.send(INITIALIZE).await;
        let answer = client.next().await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "portcullis-demo");
        client.send(INITIALIZED).await;
        client
    }

    async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        soon(self.reader.read_line(&mut line)).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&request(id, method, &params)).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], id);
        answer
    }

    async fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        self.ask("tools/call", params).await["result"].take()
    }
}

#[tokio::test]
async fn the_tools_do_what_they_say() {
    let mut client = Client::connect().await;
    for (name, tool, arguments, text, is_error) in [
        ("echo", "echo", json!({ "message": "hi", "unknown": 1 }), "hi", false),
        ("integers", "add", json!({ "a": 2, "b": 3 }), "5", false),
        ("fractions", "add", json!({ "a": 0.5, "b": 1 }), "1.5", false),
        ("slow", "slow", json!({ "ms": 1 }), "took 1 ms", false),
        ("fail", "fail", json!({}), "this tool always fails", true),
        ("nothing to echo", "echo", json!({}), "missing field `message`", true),
    ] {
        let result = client.tool(tool, arguments).await;
        assert_eq!(result["content"][0]["text"], text, "{name}");
        assert_eq!(result["isError"], is_error, "{name}");
    }
    let result = client.tool("add", json!({ "a": 2, "b": 3 })).await;
    assert_eq!(result["structuredContent"], json!({ "sum": 5 }));
    let answer = client.ask("tools/call", json!({ "name": "nope" })).await;
    assert_eq!(answer["error"]["code"], -32602);
}

#[tokio::test]
async fn everything_is_listed_and_can_be_read() {
    let mut client = Client::connect().await;
    for (method, list, names) in [
        ("tools/list", "tools", &["echo", "add", "slow", "fail"][..]),
        ("resources/list", "resources", &["readme"]),
        ("resources/templates/list", "resourceTemplates", &["item"]),
        ("prompts/list", "prompts", &["greet"]),
    ] {
        let answer = client.ask(method, json!({})).await;
        let items = answer["result"][list].as_array().unwrap();
        let listed: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(listed, names, "{method}");
    }
    for (uri, text) in [
        ("demo://readme", include_str!("readme.md")),
        ("demo://item/pear", r#"{"id":"pear","letters":4}"#),
    ] {
        let answer = client.ask("resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer["result"]["contents"][0]["text"], text);
        assert_eq!(answer["result"]["contents"][0]["uri"], uri);
    }
    let answer = client.ask("resources/read", json!({ "uri": "demo://item/" })).await;
    assert_eq!(answer["error"]["code"], -32002);
    let params = json!({ "name": "greet", "arguments": { "who": "Ada" } });
    let answer = client.ask("prompts/get", params).await;
    let text = &answer["result"]["messages"][0]["content"]["text"];
    assert_eq!(text, "Greet Ada in one friendly sentence.");
}

#[tokio::test]
async fn arguments_of_the_prompt_and_the_template_are_completed() {
    let mut client = Client::connect().await;
    for (reference, argument, expected) in [
        (
            json!({ "type": "ref/prompt", "name": "greet" }),
            json!({ "name": "who", "value": "a" }),
            json!(["Ada", "Alan"]),
        ),
        (
            json!({ "type": "ref/resource", "uri": "demo://item/{id}" }),
            json!({ "name": "id", "value": "ap" }),
            json!(["apple", "apricot"]),
        ),
    ] {
        let params = json!({ "ref": reference, "argument": argument });
        let answer = client.ask("completion/complete", params).await;
        assert_eq!(answer["result"]["completion"]["values"], expected);
    }
}

#[tokio::test]
async fn slow_tells_its_progress_and_stops_when_it_is_cancelled() {
    let mut client = Client::connect().await;
    let slow = |ms: u32| json!({ "name": "slow", "arguments": { "ms": ms }, "_meta": { "progressToken": "p" } });
    client.send(&request(7, "tools/call", &slow(20))).await;
    for step in 1..=10 {
        let progress = client.next().await["params"].take();
        assert_eq!(progress["progressToken"], "p");
        assert_eq!(progress["progress"].as_f64(), Some(f64::from(step)));
    }
    assert_eq!(client.next().await["id"], 7);

    client.send(&request(8, "tools/call", &slow(600_000))).await;
    let cancelled = json!({ "requestId": 8 });
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled });
    client.send(&cancelled.to_string()).await;
    client.ask("ping", json!({})).await;
    // Closing waits for what still runs: nothing does.
    drop((client.reader, client.writer));
    soon(client.server.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_before_it_initialises_is_no_error() {
    let (ours, theirs) = tokio::io::duplex(1024);
    drop(ours);
    soon(serve(tokio::io::split(theirs))).await.unwrap();
}

#[tokio::test]
async fn only_loopback_addresses_are_served() {
    let error = run(Some("0.0.0.0:0".parse().unwrap())).await.unwrap_err();
    assert!(error.to_string().contains("is not a loopback address"), "{error}");
}

/// A server on a free port, and one connection to it.
async fn http() -> (JoinSet<()>, SendRequest<Full<Bytes>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(super::listener::serve(listener, CancellationToken::new()));
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    tasks.spawn(async move { connection.await.unwrap_or_default() });
    (tasks, sender)
}

fn post(body: &str) -> Request<Full<Bytes>> {
    let accept = "application/json, text/event-stream";
    Request::builder()
        .method(Method::POST)
        .uri("/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("accept", accept)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

#[tokio::test]
async fn a_session_over_http_calls_a_tool() {
    let (_tasks, mut sender) = http().await;
    let response = soon(sender.send_request(post(INITIALIZE))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let session = response.headers()["mcp-session-id"].clone();
    soon(response.into_body().collect()).await.unwrap();
    let mut call = async |body: &str| {
        let mut request = post(body);
        request.headers_mut().insert("mcp-session-id", session.clone());
        sender.ready().await.unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        let status = response.status();
        (status, soon(response.into_body().collect()).await.unwrap().to_bytes())
    };
    assert_eq!(call(INITIALIZED).await.0, StatusCode::ACCEPTED);
    let echo = json!({ "name": "echo", "arguments": { "message": "over http" } });
    let (status, body) = call(&request(1, "tools/call", &echo)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(String::from_utf8_lossy(&body).contains(r#""text":"over http""#), "{body:?}");
}

#[tokio::test]
async fn foreign_hosts_and_origins_and_other_paths_are_refused() {
    let (_tasks, mut sender) = http().await;
    for (name, header, value, path, status) in [
        ("a foreign host", "host", "evil.example", "/mcp", StatusCode::FORBIDDEN),
        ("a foreign origin", "origin", "http://evil.example", "/mcp", StatusCode::FORBIDDEN),
        ("a local origin", "origin", "http://localhost:6274", "/mcp", StatusCode::OK),
        ("another path", "accept", "text/html", "/", StatusCode::NOT_FOUND),
    ] {
        let mut request = post(INITIALIZE);
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        sender.ready().await.unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        soon(response.into_body().collect()).await.unwrap();
    }
}
