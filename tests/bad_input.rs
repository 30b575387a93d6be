//! What clients get wrong, and what a client's mistakes cost: an error for them, nothing for others.

use std::sync::Arc;

use portcullis_test_support::wire::{Connection, Request, Response, Url};
use portcullis_test_support::{ConfigDir, Gateway, RawClient, member, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// A gateway in front of one demo server, and a client that has seen its tools.
async fn gateway() -> (Gateway, RawClient) {
    let config =
        ConfigDir::new().config("http: {maxBodyBytes: 65536}\n").stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    (gateway, client)
}

/// The code and the message of a JSON-RPC error.
fn error_of(body: &str) -> (i64, String) {
    let value: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}"));
    let error = &value["error"];
    assert_eq!(value["jsonrpc"], "2.0", "{body}");
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no error: {body}"));
    (error["code"].as_i64().expect("a code"), message.to_owned())
}

async fn assert_refused(name: &str, mut response: Response, status: u16, code: i64, says: &str) {
    let body = response.text().await;
    assert_eq!(response.status, status, "{name}: {body}");
    let (found, message) = error_of(&body);
    assert_eq!(found, code, "{name}: {body}");
    assert!(message.contains(says), "{name}: {body}");
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_what_is_wrong_with_it() {
    let (_gateway, client) = gateway().await;
    let deep = request("tools/call", &format!("{}{}", "[".repeat(500), "]".repeat(500)));
    for (name, body, code, says) in [
        ("nothing", "", -32700, "JSON"),
        ("half of it", r#"{"jsonrpc":"2.0","id":1,"#, -32700, "JSON"),
        ("no JSON", "hello", -32700, "JSON"),
        ("something behind it", r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700, "JSON"),
        ("a number", "5", -32600, ""),
        ("a string", r#""ping""#, -32600, ""),
        ("null", "null", -32600, ""),
        ("no version", r#"{"id":1,"method":"ping"}"#, -32600, "jsonrpc"),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, "jsonrpc"),
        ("neither method nor result", r#"{"jsonrpc":"2.0","id":1}"#, -32600, ""),
        ("a null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, "id"),
        ("an object as id", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, "id"),
        ("a number as method", r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600, ""),
        (
            "params that are a string",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}"#,
            -32600,
            "params",
        ),
        (
            "result and error",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
            -32600,
            "",
        ),
        (
            "two methods",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
            -32600,
            "method",
        ),
        (
            "two methods, one escaped",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/list"}"#,
            -32600,
            "method",
        ),
        ("two ids", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, "id"),
        (
            "two params",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{},"params":{}}"#,
            -32600,
            "params",
        ),
        ("too deep", &deep, -32600, "deep"),
    ] {
        assert_refused(name, client.post(body).await, 400, code, says).await;
    }
    assert_refused(
        "not UTF-8",
        client.post(b"{\"jsonrpc\":\"\xff\"}".to_vec()).await,
        400,
        -32700,
        "JSON",
    )
    .await;
    assert_eq!(client.post(PING).await.status, 200, "the session is as good as before");
}

#[tokio::test]
async fn an_error_carries_the_id_of_the_request_wherever_it_can_be_read() {
    let (_gateway, client) = gateway().await;
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":"seven","method":5}"#, r#""seven""#),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, "7"),
        (&request("no/such", "{}"), "7"),
        (&request("tools/call", "{}"), "7"),
    ] {
        let answer = client.post(body).await.text().await;
        assert_eq!(member(&answer, "id"), Some(id), "{body}: {answer}");
    }
}

#[tokio::test]
async fn names_and_parameters_that_mean_nothing_are_errors_that_say_which() {
    let (_gateway, client) = gateway().await;
    for (name, method, params, code, says) in [
        ("an unknown tool", "tools/call", r#"{"name":"x_demo_nope"}"#, -32602, "x_demo_nope"),
        ("an unknown prompt", "prompts/get", r#"{"name":"nope"}"#, -32602, "nope"),
        (
            "an unknown resource",
            "resources/read",
            r#"{"uri":"demo://nope/x"}"#,
            -32002,
            "not found",
        ),
        ("an unknown method", "no/such", "{}", -32601, "no/such"),
        ("a method of clients", "sampling/createMessage", "{}", -32601, "sampling/createMessage"),
        ("no name", "tools/call", "{}", -32602, "name"),
        ("a number as name", "tools/call", r#"{"name":5}"#, -32602, "name"),
        (
            "two names",
            "tools/call",
            r#"{"name":"x_demo_echo","name":"x_demo_fail"}"#,
            -32602,
            "name",
        ),
        (
            "two names, one escaped",
            "tools/call",
            r#"{"name":"x_demo_echo","n\u0061me":"x_demo_fail"}"#,
            -32602,
            "name",
        ),
        (
            "two uris",
            "resources/read",
            r#"{"uri":"demo://readme","uri":"demo://item/1"}"#,
            -32602,
            "uri",
        ),
        (
            "two arguments",
            "tools/call",
            r#"{"name":"x_demo_echo","arguments":{},"arguments":{}}"#,
            -32602,
            "arguments",
        ),
        ("null as uri", "resources/read", r#"{"uri":null}"#, -32602, "uri"),
        ("a number as cursor", "tools/list", r#"{"cursor":5}"#, -32602, "cursor"),
        ("a stranger's cursor", "tools/list", r#"{"cursor":"zzz"}"#, -32602, "cursor"),
        ("an unknown level", "logging/setLevel", r#"{"level":"loud"}"#, -32602, "loud"),
        ("a number as level", "logging/setLevel", r#"{"level":3}"#, -32602, ""),
        (
            "an object as progress token",
            "tools/call",
            r#"{"name":"x_demo_echo","arguments":{"message":"x"},"_meta":{"progressToken":{}}}"#,
            -32602,
            "progressToken",
        ),
        (
            "a reference to nothing",
            "completion/complete",
            r#"{"ref":{"type":"ref/nothing"},"argument":{"name":"a","value":"b"}}"#,
            -32602,
            "",
        ),
    ] {
        let response = client.post(request(method, params)).await;
        assert_refused(name, response, 200, code, says).await;
    }
    let wrong = client.call_tool("x_demo_echo", &json!({"message": 5})).await;
    assert!(wrong.contains(r#""isError":true"#), "the backend judges its own arguments: {wrong}");
}

#[tokio::test]
async fn a_request_that_is_wrong_as_http_is_refused_with_the_status_that_says_so() {
    let (gateway, client) = gateway().await;
    let (other_gateway, stranger) = self::gateway().await;
    let post = || client.request("POST").header("Content-Type", "application/json").body(PING);
    let long = "x".repeat(3000);
    let session = client.session().expect("a session");
    let cut = &session[..session.len() - 2];
    let foreign = stranger.session().expect("a session");
    for (name, request, status) in [
        ("another media type", post().header("Content-Type", "text/plain"), 415),
        ("no media type", post().without("Content-Type"), 415),
        ("a client that takes no stream", post().header("Accept", "application/json"), 406),
        ("a client that takes no JSON", post().header("Accept", "text/event-stream"), 406),
        (
            "a listener that takes no stream",
            client.request("GET").header("Accept", "application/json"),
            406,
        ),
        ("no session", post().without("Mcp-Session-Id"), 400),
        ("no session to listen to", client.request("GET").without("Mcp-Session-Id"), 400),
        ("no session to delete", client.request("DELETE").without("Mcp-Session-Id"), 400),
        ("an empty session", post().header("Mcp-Session-Id", ""), 404),
        ("a garbled session", post().header("Mcp-Session-Id", "garbled"), 404),
        ("a session of bytes", post().header("Mcp-Session-Id", "\u{e4}\u{f6}"), 404),
        ("a cut session", post().header("Mcp-Session-Id", cut), 404),
        ("a long session", post().header("Mcp-Session-Id", &long), 404),
        ("another gateway's session", post().header("Mcp-Session-Id", foreign), 404),
        (
            "another gateway's session, to listen",
            client.request("GET").header("Mcp-Session-Id", foreign),
            404,
        ),
        (
            "another gateway's session, to delete",
            client.request("DELETE").header("Mcp-Session-Id", foreign),
            404,
        ),
        ("an old revision", post().header("MCP-Protocol-Version", "1999-01-01"), 400),
        ("a garbled revision", post().header("MCP-Protocol-Version", "\u{e4}"), 400),
        ("a page of somebody else", post().header("Origin", "https://evil.example"), 403),
        ("an opaque origin", post().header("Origin", "null"), 403),
        ("a name of somebody else", post().header("Host", "evil.example"), 403),
        ("a name that begins like ours", post().header("Host", "localhost.evil.example"), 403),
        ("another method", client.request("PUT").body(PING), 405),
    ] {
        let mut response = request.send().await;
        let body = response.text().await;
        assert_eq!(response.status, status, "{name}: {body}");
        assert!(!error_of(&body).1.is_empty(), "{name}: {body}");
    }
    let unknown = Request::new("POST", &format!("{}/nothing/here", gateway.origin()));
    assert_eq!(unknown.body(PING).send().await.status, 404);
    let unknown = Request::new("POST", &gateway.server_url("nobody"))
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(request("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#));
    assert_eq!(unknown.send().await.status, 404);
    assert_eq!(client.post(PING).await.status, 200);
    drop(other_gateway);
}

#[tokio::test]
async fn initialize_with_wrong_parameters_opens_no_session() {
    let (gateway, _client) = gateway().await;
    for params in [
        "{}",
        r#"{"protocolVersion":5,"capabilities":{}}"#,
        r#"{"protocolVersion":"2025-11-25","capabilities":"all"}"#,
        r#"{"protocolVersion":"2025-11-25","protocolVersion":"2025-03-26","capabilities":{}}"#,
    ] {
        let mut response = Request::new("POST", gateway.url())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(request("initialize", params))
            .send()
            .await;
        let body = response.text().await;
        assert!(response.status < 500, "{params}: {body}");
        assert_eq!(error_of(&body).0, -32602, "{params}: {body}");
        assert_eq!(response.header("mcp-session-id"), None, "{params}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_however_it_comes() {
    let (_gateway, client) = gateway().await;
    let large = request("tools/call", &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)));
    assert_refused("announced", client.post(large.clone()).await, 413, -32600, "65536").await;

    let chunked = client
        .request("POST")
        .header("Content-Type", "application/json")
        .header("Transfer-Encoding", "chunked");
    let body = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_refused("in chunks", chunked.body(body).send().await, 413, -32600, "65536").await;
    assert_eq!(client.post(PING).await.status, 200);
}

#[tokio::test]
async fn a_body_that_never_ends_keeps_nobody_else_waiting() {
    let (gateway, client) = gateway().await;
    let files = gateway.open_files();
    let authority = Url::parse(gateway.url()).authority;
    let mut connections = Vec::new();
    for _ in 0..100 {
        let request = client
            .request("POST")
            .header("Content-Type", "application/json")
            .header("Content-Length", "60000")
            .body(&PING[..10]);
        let mut connection = Connection::open(&authority).await;
        connection.write(&request.to_bytes()).await;
        connections.push(connection);
    }
    let answer = client.call_tool("x_demo_echo", &json!({"message": "prompt"})).await;
    assert!(answer.contains("prompt"), "{answer}");
    drop(connections);
    until_files(&gateway, files).await;
}

/// Waits until the gateway has no more files open than before, give or take one idle connection of its pools.
async fn until_files(gateway: &Gateway, before: usize) {
    portcullis_test_support::until("the files are closed", || gateway.open_files() <= before + 1)
        .await;
}

#[tokio::test]
async fn batches_are_for_those_who_speak_2025_03_26() {
    let (gateway, client) = gateway().await;
    let body = format!("[{PING}]");
    assert_refused("a batch", client.post(body.clone()).await, 400, -32600, "2025-03-26").await;

    let old = RawClient::connect_at(gateway.url(), "2025-03-26", &json!({})).await;
    let call = request("tools/call", r#"{"name":"x_demo_echo","arguments":{"message":"hi"}}"#);
    let hello = request("initialize", r#"{"protocolVersion":"2025-03-26","capabilities":{}}"#);
    let mixed = format!(
        r#"[{PING}, 5, {call}, {hello}, {{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":99}}}}]"#
    );
    let mut response = old.post(mixed).await;
    assert_eq!(response.status, 200);
    let answers: Vec<Value> = serde_json::from_str(&response.text().await).expect("an array");
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[0]["result"], json!({}), "{answers:?}");
    assert_eq!(answers[1]["error"]["code"], -32600, "{answers:?}");
    assert_eq!(answers[1]["id"], Value::Null, "{answers:?}");
    assert_eq!(answers[2]["result"]["content"][0]["text"], "hi", "{answers:?}");
    assert_eq!(answers[3]["error"]["code"], -32600, "{answers:?}");

    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(old.post(format!("[{notification},{notification}]")).await.status, 202);
    let full = format!("[{}]", [PING; 32].join(","));
    let answers: Vec<Value> = serde_json::from_str(&old.post(full).await.text().await).unwrap();
    assert_eq!(answers.len(), 32);
    let many = format!("[{}]", [PING; 33].join(","));
    assert_refused("33 messages", old.post(many).await, 400, -32600, "32").await;
    assert_refused("no messages", old.post("[]").await, 400, -32600, "at least one").await;
    assert_refused("half a batch", old.post(format!("[{PING},")).await, 400, -32700, "JSON").await;
}

#[tokio::test]
async fn clients_that_vanish_in_mid_stream_leave_nothing_behind() {
    let (gateway, client) = gateway().await;
    let client = Arc::new(client);
    let files = gateway.open_files();
    let mut streams = Vec::new();
    for number in 0..20 {
        let params = json!({
            "name": "x_demo_slow",
            "arguments": {"ms": 1000},
            "_meta": {"progressToken": number},
        });
        let mut exchange = client.start("tools/call", &params).await;
        let first = exchange.message().await.expect("progress");
        assert_eq!(member(&first, "method"), Some(r#""notifications/progress""#));
        streams.push(exchange);
    }
    for _ in 0..5 {
        let listener = RawClient::connect(gateway.url(), &json!({})).await;
        let response = listener.listen().await;
        assert_eq!(response.status, 200);
        drop(response);
    }
    drop(streams);
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    // The calls themselves go on, as a legacy client may expect, and then leave nothing either.
    gateway
        .until_metric(r#"portcullis_calls_total{method="tools/call",tool="x_demo_slow""#, |ended| {
            ended > 19.5
        })
        .await;
    until_files(&gateway, files).await;
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let (gateway, client) = gateway().await;
    let authority = Url::parse(gateway.url()).authority;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ] {
        let mut connection = Connection::open(&authority).await;
        connection.write(bytes).await;
        let response = within("a word about what is no HTTP", connection.response()).await;
        assert!((400..500).contains(&response.status), "{bytes:?}: {}", response.status);
    }
    assert_eq!(client.post(PING).await.status, 200);
}

#[tokio::test]
async fn headers_without_measure_are_refused() {
    let (_gateway, client) = gateway().await;
    let ping = || client.request("POST").header("Content-Type", "application/json").body(PING);
    let long = "x".repeat(200_000);
    let response = ping().header("X-Long", &long).send().await;
    assert!((400..500).contains(&response.status), "one long header: {}", response.status);
    let mut many = ping();
    for number in 0..500 {
        many = many.header(&format!("X-Many-{number}"), "x");
    }
    let status = many.send().await.status;
    assert!((400..500).contains(&status), "500 headers: {status}");
    assert_eq!(client.post(PING).await.status, 200);
}

#[tokio::test]
async fn a_host_cannot_be_smuggled_past_the_check() {
    let (gateway, client) = gateway().await;
    let authority = Url::parse(gateway.url()).authority;
    let session = client.session().expect("a session");
    let rest = format!(
        "Mcp-Session-Id: {session}\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: {}\r\n\r\n{PING}",
        PING.len()
    );
    for (name, head) in [
        ("two hosts", format!("POST /mcp HTTP/1.1\r\nHost: {authority}\r\nHost: evil.example\r\n")),
        (
            "two hosts, ours last",
            format!("POST /mcp HTTP/1.1\r\nHost: evil.example\r\nHost: {authority}\r\n"),
        ),
        (
            "a foreign target",
            format!("POST http://evil.example/mcp HTTP/1.1\r\nHost: {authority}\r\n"),
        ),
        ("no host", "POST /mcp HTTP/1.1\r\n".to_owned()),
        (
            "two origins",
            format!(
                "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nOrigin: http://localhost\r\nOrigin: https://evil.example\r\n"
            ),
        ),
    ] {
        let mut connection = Connection::open(&authority).await;
        connection.write(format!("{head}{rest}").as_bytes()).await;
        let status = connection.response().await.status;
        assert!((400..500).contains(&status), "{name}: {status}");
    }
    for (name, path) in [
        ("another path", "/servers/demo/mcp/more"),
        ("an escaped way up", "/servers/..%2f..%2fmcp/mcp"),
        ("a name without measure", &format!("/servers/{}/mcp", "x".repeat(3000))),
    ] {
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#;
        let request = Request::new("POST", &format!("{}{path}", gateway.origin()))
            .header("Content-Type", "application/json")
            .body(request("initialize", hello));
        assert_eq!(request.send().await.status, 404, "{name}");
    }
}
