//! What clients get wrong below the messages: requests, headers, bodies and connections.

use portcullis_test_support::scenes::{assert_refused, error_of, small_demo_gateway};
use portcullis_test_support::wire::{Connection, Request, Url};
use portcullis_test_support::{Gateway, RawClient, RawDuplex, member, within};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn a_request_that_is_wrong_as_http_is_refused_with_the_status_that_says_so() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
    let (other_gateway, stranger) = small_demo_gateway(BINARY).await;
    let post = || client.request("POST").header("Content-Type", "application/json").body(PING);
    let long = "x".repeat(3000);
    let session = client.session().expect("a session");
    let cut = &session[..session.len() - 2];
    let foreign = stranger.session().expect("a session");
    for (name, request, status) in [
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
        ("another method", client.request("PUT").body(PING), 405),
    ] {
        assert_status(name, &request, status).await;
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

/// Asserts that a request gets this status, and an error that says something.
async fn assert_status(name: &str, request: &Request, status: u16) {
    let mut response = request.send().await;
    let body = response.text().await;
    assert_eq!(response.status, status, "{name}: {body}");
    assert!(!error_of(&body).1.is_empty(), "{name}: {body}");
}

#[tokio::test]
async fn a_message_is_refused_the_same_wherever_it_is_posted() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
    let mut sse = RawDuplex::open_sse(&gateway.sse_url()).await;
    sse.initialize("2025-11-25", &json!({})).await;
    let http = client.request("POST").header("Content-Type", "application/json");
    for (way, post) in [("/mcp", http), ("/message", sse.request("POST"))] {
        let post = || post.clone().body(PING);
        for (name, request, status) in [
            ("another media type", post().header("Content-Type", "text/plain"), 415),
            ("no media type", post().without("Content-Type"), 415),
            ("an old revision", post().header("MCP-Protocol-Version", "1999-01-01"), 400),
            ("a garbled revision", post().header("MCP-Protocol-Version", "\u{e4}"), 400),
            ("a page of somebody else", post().header("Origin", "https://evil.example"), 403),
            ("an opaque origin", post().header("Origin", "null"), 403),
            ("a name of somebody else", post().header("Host", "evil.example"), 403),
            ("a name that begins like ours", post().header("Host", "localhost.evil.example"), 403),
        ] {
            assert_status(&format!("{name}, {way}"), &request, status).await;
        }
    }
    assert_eq!(client.post(PING).await.status, 200);
    assert_eq!(sse.request("POST").body(PING).send().await.status, 202);
}

#[tokio::test]
async fn what_leads_to_no_stream_of_ones_own_is_refused() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
    let (other_gateway, _) = small_demo_gateway(BINARY).await;
    let own = RawDuplex::open_sse(&gateway.sse_url()).await;
    let foreign = RawDuplex::open_sse(&other_gateway.sse_url()).await;
    let (sse, message) = (gateway.sse_url(), format!("{}/message", gateway.origin()));
    let post = |query: &str| {
        let url = format!("{message}{query}");
        Request::new("POST", &url).header("Content-Type", "application/json").body(PING)
    };
    let foreign = foreign.endpoint().split('?').nth(1).expect("a query");
    let session = format!("?sessionId={}", client.session().expect("a session"));
    let long = format!("?sessionId={}", "0".repeat(3000));
    for (name, request, status) in [
        ("no stream", post(""), 400),
        ("another query", post("?session=1"), 400),
        ("an empty name", post("?sessionId="), 404),
        ("a garbled name", post("?sessionId=garbled"), 404),
        ("an escaped name", post("?sessionId=%00%ff"), 404),
        ("a long name", post(&long), 404),
        ("a session of /mcp", post(&session), 404),
        ("another gateway's stream", post(&format!("?{foreign}")), 404),
        ("to listen where one speaks", own.request("GET"), 405),
        ("to delete a stream", own.request("DELETE"), 405),
        ("to speak where one listens", Request::new("POST", &sse).body(PING), 405),
        (
            "a listener that takes no stream",
            Request::new("GET", &sse).header("Accept", "application/json"),
            406,
        ),
        (
            "a page of somebody else that listens",
            Request::new("GET", &sse).header("Origin", "https://evil.example"),
            403,
        ),
        ("a name of somebody else", Request::new("GET", &sse).header("Host", "evil.example"), 403),
    ] {
        assert_status(name, &request, status).await;
    }
    assert_eq!(own.request("POST").body(PING).send().await.status, 202);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_however_it_comes() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
    let sse = RawDuplex::open_sse(&gateway.sse_url()).await;
    let large = request("tools/call", &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)));
    let http = client.request("POST").header("Content-Type", "application/json");
    for post in [http, sse.request("POST")] {
        let announced = post.clone().body(large.clone()).send().await;
        assert_refused("announced", announced, 413, -32600, "65536").await;

        let chunked = post.header("Transfer-Encoding", "chunked");
        let body = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        assert_refused("in chunks", chunked.body(body).send().await, 413, -32600, "65536").await;
    }
    assert_eq!(client.post(PING).await.status, 200);
    assert_eq!(sse.request("POST").body(PING).send().await.status, 202);
}

#[tokio::test]
async fn a_body_that_never_ends_keeps_nobody_else_waiting() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
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
async fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
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
    let (_gateway, client) = small_demo_gateway(BINARY).await;
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
    let (gateway, client) = small_demo_gateway(BINARY).await;
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

#[tokio::test]
async fn clients_that_vanish_in_mid_stream_leave_nothing_behind() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
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
