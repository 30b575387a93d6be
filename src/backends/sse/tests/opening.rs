//! From the GET to `notifications/initialized`.

use super::*;
use crate::outbound::scripted::{json as json_answer, sse};

#[tokio::test]
async fn messages_go_where_the_stream_says_whatever_it_looks_like() {
    for (head, path) in [
        ("event: endpoint\ndata: /message?sessionId=1\n\n", "/message?sessionId=1"),
        ("event: endpoint\r\ndata: message/?session_id=1\r\n\r\n", "/a/message/?session_id=1"),
        ("event: endpoint\rdata: /m\r\r", "/m"),
        ("retry: 5\n\n: hello\n\nevent: greeting\ndata: hi\n\nevent:endpoint\ndata:/m\n\n", "/m"),
        ("data: {\"jsonrpc\":\"2.0\"}\n\nid: 1\nevent: endpoint\nx: y\ndata: ../m\n\n", "/m"),
    ] {
        let (server, state) = server(head, nothing).await;
        let opened = open_config(config(&server, Isolation::Shared)).await.unwrap();
        assert_eq!(opened.connection.version().as_str(), "2025-06-18");
        assert!(opened.initialized.starts_with(br#"{"protocolVersion":"2025-06-18""#), "{head:?}");
        let posts: Vec<_> = state.seen.lock().iter().skip(1).cloned().collect();
        assert!(posts[0].is("initialize") && posts[1].is("notifications/initialized"));
        assert!(posts.iter().all(|post| post.path == path), "{head:?}: {posts:?}");
    }
}

#[tokio::test]
async fn an_absolute_url_of_the_same_server_is_taken() {
    let (server, state) = server("", nothing).await;
    let named = endpoint(&format!("http://{}/elsewhere", server.address));
    let opening = open_config(config(&server, Isolation::Shared));
    let naming = async {
        state.wait_for(|seen| seen.method == Method::GET).await;
        while state.stream.lock().is_none() {
            tokio::task::yield_now().await;
        }
        state.say(named).await;
    };
    let (opened, ()) = tokio::join!(opening, naming);
    opened.unwrap();
    assert_eq!(state.count(|seen| seen.path == "/elsewhere"), 2);
}

#[tokio::test]
async fn every_request_has_the_configured_headers_and_what_the_revision_wants() {
    let fixture = open(Isolation::Shared, nothing).await;
    fixture.answer("t").await;
    let seen = fixture.state.seen.lock().clone();
    assert!(seen.iter().all(|seen| seen.header("x-key") == Some("secret")));
    assert!(seen.iter().all(|seen| seen.header("user-agent").unwrap().starts_with("portcullis/")));
    assert_eq!(seen[0].header("accept"), Some("text/event-stream"));
    assert!(seen[1..].iter().all(|seen| seen.header("content-type") == Some("application/json")));
    let versions: Vec<_> = seen.iter().map(|seen| seen.header("mcp-protocol-version")).collect();
    assert_eq!(versions, [None, None, Some("2025-06-18"), Some("2025-06-18")]);
}

/// A name, the answer to the GET, and what is said about it.
type Refused = (&'static str, fn() -> Answer, &'static str);
/// A name, what happens at `initialize`, and what is said about it.
type Reacted = (&'static str, fn(&Seen) -> Reaction, &'static str);

/// How opening fails when the GET is answered like that.
async fn failure(get: fn() -> Answer) -> String {
    let script =
        move |seen: Seen| async move { (seen.method == Method::GET).then(|| answers(get())) };
    let (server, state) = server("", script).await;
    let error = open_config(config(&server, Isolation::Shared)).await.unwrap_err();
    assert_eq!(state.count(|seen| seen.method == Method::POST), 0);
    error.to_string()
}

#[tokio::test]
async fn what_is_no_stream_with_an_endpoint_is_refused_and_nothing_is_sent() {
    let table: [Refused; 9] = [
        ("404", || answer(404, "", "no"), "HTTP 404 (is it the URL of the stream"),
        ("405", || answer(405, "", ""), "are of type: streamable-http)"),
        (
            "401",
            || answer(401, "", ""),
            "HTTP 401 (it wants credentials: set them in spec.headers)",
        ),
        ("500", || answer(500, "", ""), "HTTP 500"),
        ("a redirect", || answer(302, "", ""), "HTTP 302"),
        ("JSON", || json_answer("{}"), "GET gives application/json"),
        ("no endpoint", || sse("data: {}\n\n"), "it ended before it named an endpoint"),
        (
            "another origin",
            || sse(endpoint("http://evil.test/m")),
            "origin than spec.url: http://evil",
        ),
        ("no URL", || sse(endpoint("http://[")), "the endpoint it names is no URL: \"http://[\""),
    ];
    for (name, get, says) in table {
        let error = failure(get).await;
        assert!(error.starts_with("no HTTP+SSE stream at spec.url: "), "{name}: {error}");
        assert!(error.contains(says), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_stream_without_an_endpoint_is_given_up_in_time_and_closed() {
    let (server, state) = server(": nothing\n\n", nothing).await;
    let mut config = config(&server, Isolation::Shared);
    config.connect_timeout = Duration::from_millis(300);
    let error = open_config(config).await.unwrap_err().to_string();
    assert_eq!(error, "no HTTP+SSE stream at spec.url: it named no endpoint within 0.3 s");
    let stream = state.stream.lock().clone().unwrap();
    soon(stream.closed()).await;
}

#[tokio::test]
async fn an_initialize_without_a_valid_answer_is_reported_and_its_stream_closed() {
    let table: [Reacted; 6] = [
        (
            "an error",
            |seen| {
                says(event(&json!({
                    "jsonrpc": "2.0", "id": seen.message["id"], "error": {"code": 1, "message": "not today"},
                })))
            },
            "the server refused initialize: {\"code\":1",
        ),
        ("HTTP 500", |_| answers(answer(500, "", "boom")), "initialize: HTTP 500: boom"),
        ("HTTP 401", |_| answers(answer(401, "", "")), "(it wants credentials"),
        ("no version", |seen| says(seen.result(&json!({}))), "missing field"),
        (
            "a new version",
            |seen| says(seen.result(&json!({"protocolVersion": "2999-01-01"}))),
            "protocol version \"2999-01-01\" is unknown",
        ),
        ("an end", |_| Reaction { ends: true, ..says("") }, "its event stream ended"),
    ];
    for (name, react, text) in table {
        let script = move |seen: Seen| async move { seen.is("initialize").then(|| react(&seen)) };
        let (server, state) = server(HEAD, script).await;
        let error = open_config(config(&server, Isolation::Shared)).await.unwrap_err().to_string();
        assert!(error.contains(text), "{name}: {error}");
        let stream = state.stream.lock().clone();
        if let Some(stream) = stream {
            soon(stream.closed()).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let (server, _state) = server(HEAD, nothing).await;
    let (config, address) = (config(&server, Isolation::Shared), server.address);
    drop(server);
    let error = open_config(config).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to {address}")), "{error}");
}
