//! How a connection begins and ends.

use super::*;

#[tokio::test]
async fn initialize_says_who_we_are_and_what_the_client_can_do() {
    let (fixture, log, _server) = connected(nothing).await;
    let initialize = log.wait_for(|seen| seen.is("initialize")).await;
    assert_eq!(initialize.message["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize.message["params"]["clientInfo"]["name"], "portcullis");
    assert_eq!(
        initialize.message["params"]["capabilities"],
        json!({ "roots": { "listChanged": true } })
    );
    assert_eq!(initialize.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(initialize.header("content-type"), Some("application/json"));
    assert_eq!(initialize.session(), None);
    assert_eq!(initialize.header("mcp-protocol-version"), None);

    let initialized = log.wait_for(|seen| seen.is("notifications/initialized")).await;
    assert_eq!(initialized.session(), Some("s1"));
    assert_eq!(initialized.header("mcp-protocol-version"), Some("2025-11-25"));

    let result: Value = serde_json::from_slice(&fixture.initialized).unwrap();
    assert_eq!(result["serverInfo"]["name"], "scripted");
    assert_eq!(fixture.connection.version().as_str(), "2025-11-25");
}

#[tokio::test]
async fn requests_carry_the_configured_headers_and_nothing_replaces_ours() {
    let (server, log) = backend(nothing).await;
    let mut config = config(&server);
    let Transport::StreamableHttp(remote) = &mut config.transport else { unreachable!() };
    for (name, value) in [
        ("x-api-key", "k"),
        ("accept", "text/html"),
        ("user-agent", "mine"),
        ("content-length", "1"),
    ] {
        remote.headers.push((name.parse().unwrap(), value.parse().unwrap()));
    }
    let fixture = Fixture::open(config).await.unwrap();
    fixture.call(CALL).await.unwrap();
    let call = log.wait_for(is_call).await;
    assert_eq!(call.header("x-api-key"), Some("k"));
    assert_eq!(call.header("user-agent"), Some("mine"));
    assert_eq!(call.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(call.header("host").map(str::to_owned), Some(server.address.to_string()));
    for absent in ["origin", "cookie", "authorization"] {
        assert_eq!(call.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn an_older_revision_is_taken_and_its_headers_are_used() {
    for (version, header) in [("2025-06-18", Some("2025-06-18")), ("2025-03-26", None)] {
        let (fixture, log, _server) = connected(move |seen| async move {
            seen.is("initialize").then(|| seen.result(&initialize_result(version)))
        })
        .await;
        assert_eq!(fixture.connection.version().as_str(), version);
        fixture.call(CALL).await.unwrap();
        let call = log.wait_for(is_call).await;
        assert_eq!(call.header("mcp-protocol-version"), header, "{version}");
        assert_eq!(call.session(), None, "the server has no sessions");
    }
}

#[tokio::test]
async fn initialize_may_be_answered_by_a_stream() {
    let (mut fixture, _log, _server) = connected(|seen| async move {
        seen.is("initialize").then(|| {
            let log = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
            let result = seen.result_text(&initialize_result("2025-11-25"));
            scripted::sse(format!("id: 1\ndata:\n\n{}", events([log.to_string(), result])))
        })
    })
    .await;
    let Unsolicited::Notification(message) = fixture.unsolicited().await else { panic!() };
    assert_eq!(message.method_name(), "notifications/message");
}

async fn failure_to_open(status: u16, content_type: &'static str, body: &'static str) -> OpenError {
    let (server, _log) =
        backend(move |_| async move { Some(answer(status, content_type, body)) }).await;
    let Err(error) = Fixture::open(config(&server)).await else {
        panic!("{status} {body}: opened")
    };
    error
}

#[tokio::test]
async fn what_is_no_mcp_server_is_not_connected_to() {
    const JSON: &str = "application/json";
    const SSE: &str = "text/event-stream";
    for (status, content_type, body, said) in [
        (401, "", "", "HTTP 401 (it wants credentials"),
        (403, JSON, r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}"#, "HTTP 403"),
        (404, "text/html", "<h1>Not Found</h1>", "HTTP 404 (is spec.url the MCP endpoint"),
        (502, "text/html", "<h1>Bad Gateway</h1>", "HTTP 502"),
        (
            400,
            JSON,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no"}}"#,
            "no (HTTP 400)",
        ),
        (
            200,
            JSON,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}"#,
            "refused initialize: no",
        ),
        (200, JSON, r#"{"jsonrpc":"2.0","id":9,"result":{}}"#, "no response to the request"),
        (200, JSON, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#, "its result is wrong"),
        (
            200,
            JSON,
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2099-01-01"}}"#,
            "\"2099-01-01\"",
        ),
        (
            200,
            JSON,
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2026-07-28"}}"#,
            "\"2026-07-28\"",
        ),
        (200, "text/html", "<p>Welcome</p>", "not valid JSON: Welcome"),
        (200, SSE, "data: {}\n\n", "stream ended"),
        (202, "", "", "not valid JSON"),
    ] {
        let error = failure_to_open(status, content_type, body).await.to_string();
        assert!(error.contains(said), "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn over_http2_everything_takes_one_connection() {
    let (server, log) = backend(|seen| async move {
        is_call(&seen).then(|| scripted::sse(events([seen.result_text(&json!(1))])))
    })
    .await;
    let mut config = config(&server);
    let Transport::StreamableHttp(remote) = &mut config.transport else { unreachable!() };
    remote.http2 = true;
    let fixture = Fixture::open(config).await.unwrap();
    let calls = futures_util::future::join_all((0..10).map(|_| fixture.call(CALL))).await;
    assert!(calls.into_iter().all(|reply| message(reply.unwrap())["result"] == 1));
    fixture.connection.close().await;
    let end = log.wait_for(|seen| seen.method == Method::DELETE).await;
    assert_eq!(end.header("host"), None, "HTTP/2 says :authority");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let (server, _log) = backend(nothing).await;
    let config = config(&server);
    let address = server.address.to_string();
    drop(server);
    let Err(error) = Fixture::open(config).await else { panic!("opened") };
    assert!(matches!(&error, OpenError::Connect { authority, .. } if *authority == address));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let (server, _log) = backend(|_| std::future::pending()).await;
    let config = Config { connect_timeout: Duration::from_millis(50), ..config(&server) };
    let Err(error) = Fixture::open(config).await else { panic!("opened") };
    assert!(matches!(error, OpenError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn closing_ends_the_session_once_and_the_inbox() {
    for status in [200, 405, 404] {
        let (mut fixture, log, _server) = connected(move |seen| async move {
            (seen.method == Method::DELETE).then(|| answer(status, "", ""))
        })
        .await;
        fixture.connection.close().await;
        fixture.connection.close().await;
        let is_delete = |seen: &Seen| seen.method == Method::DELETE;
        assert_eq!(log.wait_for(is_delete).await.session(), Some("s1"));
        assert_eq!(log.count(is_delete), 1);
        assert!(fixture.connection.closed().is_cancelled());
        assert!(fixture.inbox.recv().await.is_none());
        let error = fixture.call(CALL).await.unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
    }
}
