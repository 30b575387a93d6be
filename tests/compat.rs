//! How real servers answer corner cases, and what a backend gets to see of the client and of us.

use std::process::Command;

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, member, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";

/// The text of the first content of a result.
fn text(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// A gateway before one backend, and a client that sees its tool.
async fn before(url: &str, tool: &str) -> (Gateway, RawClient) {
    let config = ConfigDir::new()
        .config("{aggregator: {exposure: native}, http: {maxBodyBytes: 8388608}}\n");
    let config = if url.ends_with("/sse") {
        config.sse("web", url, &json!({}))
    } else {
        config.http("web", url, &json!({}))
    };
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&[&format!("x_web_{tool}")]).await;
    (gateway, client)
}

/// Starts a script of the peers at the port of `url`, where it has run before.
async fn start_again(peers: &Peers, program: &str, script: &str, url: &str) -> Backend {
    let port = url.trim_end_matches("/mcp").rsplit(':').next().expect("a port");
    let mut command = Command::new(peers.path(program));
    command.arg(peers.path(script)).args(["http", port]).env("PYTHONDONTWRITEBYTECODE", "1");
    Backend::spawn(script, command).await
}

#[tokio::test]
async fn a_backend_that_was_restarted_gets_a_new_session_and_the_call_once_more() {
    let Some(peers) = Peers::installed() else { return };
    // The first says 400 to a session it does not know, the others 404.
    let table = [
        ("bin/node", "servers/everything.mjs", Backend::everything_http(&peers).await),
        ("venvs/mcp-v1/bin/python", "servers/py_v1.py", Backend::py_v1_http(&peers).await),
        ("venvs/mcp-v2/bin/python", "servers/py_v2.py", Backend::py_v2_http(&peers).await),
    ];
    for (program, script, backend) in table {
        let url = backend.url().to_owned();
        let (_gateway, client) = before(&url, "echo").await;
        let arguments = json!({"message": "still here"});
        for _ in 0..2 {
            assert!(
                text(&client.call_tool("x_web_echo", &arguments).await).ends_with("still here")
            );
        }
        backend.kill();
        drop(backend);
        let _again = start_again(&peers, program, script, &url).await;
        for _ in 0..2 {
            let answer = client.call_tool("x_web_echo", &arguments).await;
            assert!(answer.contains("still here"), "{script}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_backend_that_forgot_its_sessions_is_asked_once_more_whatever_it_says() {
    let Some(peers) = Peers::installed() else { return };
    for status in ["400", "404"] {
        let server = Backend::misbehave_http(&peers, &[("LOST_SESSION", status)]).await;
        let (_gateway, client) = before(server.url(), "forget").await;
        for round in 0..3 {
            client.call_tool("x_web_forget", &json!({})).await;
            let answer = client.call_tool("x_web_echo", &json!({"message": round})).await;
            assert_eq!(text(&answer), round.to_string(), "status {status}");
        }
    }
}

#[tokio::test]
async fn an_empty_event_at_the_head_of_a_stream_is_not_a_message() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[("PRIMING", "1")]).await;
    let (_gateway, client) = before(server.url(), "flood").await;
    let call =
        json!({"name": "x_web_flood", "arguments": {"count": 2}, "_meta": {"progressToken": 1}});
    let messages = client.start("tools/call", &call).await.messages().await;
    assert_eq!(messages.len(), 5, "{messages:#?}");
    assert_eq!(text(&messages[4]), "flooded");
}

#[tokio::test]
async fn a_page_for_people_becomes_an_error_that_names_the_backend() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[]).await;
    let (_gateway, client) = before(server.url(), "html").await;
    for status in [200, 400, 403, 404, 500, 502, 503] {
        let answer = client.call_tool("x_web_html", &json!({"status": status})).await;
        let error = member(&answer, "error").unwrap_or_else(|| panic!("{status}: {answer}"));
        assert!(error.contains("web"), "{status}: {error}");
        let answer = client.call_tool("x_web_echo", &json!({"message": "hi"})).await;
        assert_eq!(text(&answer), "hi", "after {status}");
    }
}

#[tokio::test]
async fn a_request_too_large_for_its_backend_fails_alone() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        Backend::everything_http(&peers).await,
        Backend::ts_v2_http(&peers).await,
        Backend::py_v1_http(&peers).await,
        Backend::py_v2_http(&peers).await,
        Backend::everything_sse(&peers).await,
    ];
    for server in &servers {
        let (_gateway, client) = before(server.url(), "echo").await;
        let large = "x".repeat(5 << 20);
        let answer = client.call_tool("x_web_echo", &json!({"message": large})).await;
        // A JSON-RPC error is the backend's own; a page is told of by its status.
        let error = member(&answer, "error").unwrap_or("none");
        let told = error.replace(' ', "").contains("TooLarge")
            || error.contains("413") && error.contains("web");
        assert!(told, "{}", answer.chars().take(300).collect::<String>());
        let answer = client.call_tool("x_web_echo", &json!({"message": "small"})).await;
        assert!(text(&answer).ends_with("small"), "{answer}");
    }
}

#[tokio::test]
async fn a_backend_without_a_stream_of_its_own_is_called_all_the_same() {
    let Some(peers) = Peers::installed() else { return };
    // The second keeps no sessions either.
    let servers = [
        Backend::misbehave_http(&peers, &[("GET_STREAM", "405")]).await,
        Backend::ts_v2_http(&peers).await,
    ];
    for server in &servers {
        let (_gateway, client) = before(server.url(), "echo").await;
        let stream = client.listen().await;
        assert_eq!(stream.status, 200, "the client has its stream");
        for _ in 0..3 {
            let answer = client.call_tool("x_web_echo", &json!({"message": "hi"})).await;
            assert!(text(&answer).ends_with("hi"), "{answer}");
        }
    }
}

#[tokio::test]
async fn host_and_origin_of_the_client_never_reach_a_backend_that_would_refuse_them() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        Backend::ts_v2_http(&peers).await,
        Backend::py_v1_http(&peers).await,
        Backend::py_v2_http(&peers).await,
    ];
    for server in &servers {
        let (gateway, client) = before(server.url(), "add").await;
        let port = gateway.origin().rsplit(':').next().expect("a port");
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "x_web_add", "arguments": {"a": 2, "b": 40}},
        });
        let request = client
            .request("POST")
            .header("Content-Type", "application/json")
            .body(call.to_string());
        let mut ours = request
            .clone()
            .header("Host", &format!("localhost:{port}"))
            .header("Origin", "http://localhost:3000")
            .send()
            .await;
        let answer = ours.text().await;
        assert!(ours.status == 200 && answer.contains("42"), "{} {answer}", ours.status);
        for (name, value) in [("Host", "attacker.example"), ("Origin", "https://attacker.example")]
        {
            let foreign = request.clone().header(name, value).send().await;
            assert!((400..500).contains(&foreign.status), "{name}: {}", foreign.status);
        }
    }
}

#[tokio::test]
async fn a_batch_reaches_a_backend_that_takes_none() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::py_v1_http(&peers).await;
    let (gateway, _) = before(server.url(), "add").await;
    let client = RawClient::connect_at(gateway.url(), "2025-03-26", &json!({})).await;
    let call = |id: &str, b: u8| {
        json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "x_web_add", "arguments": {"a": 2, "b": b}},
        })
    };
    let mut response = client.post(json!([call("one", 1), call("two", 40)]).to_string()).await;
    let answers = response.text().await;
    assert_eq!(response.status, 200, "{answers}");
    for part in [r#""id":"one""#, r#""id":"two""#, r#""text":"3""#, r#""text":"42""#] {
        assert!(answers.contains(part), "{part}: {answers}");
    }
}

#[tokio::test]
async fn a_revision_nobody_knows_is_answered_with_one_that_everybody_does() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::everything_http(&peers).await;
    let (gateway, _) = before(server.url(), "echo").await;
    for url in [gateway.url().to_owned(), gateway.server_url("web")] {
        let client = RawClient::connect_at(&url, "2025-11-25", &json!({})).await;
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2099-01-01", "capabilities": {},
                "clientInfo": {"name": "raw", "version": "0"},
            },
        });
        let request = client.request("POST").header("Content-Type", "application/json");
        let request = request.without("Mcp-Session-Id").without("MCP-Protocol-Version");
        let answer = request.body(hello.to_string()).send().await.text().await;
        assert!(answer.contains(r#""protocolVersion":"2025-11-25""#), "{answer}");
    }
}

#[tokio::test]
async fn a_backend_sees_no_header_that_was_meant_for_the_gateway() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new().config(NATIVE).http("web", server.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_web_headers"]).await;
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x_web_headers"}}"#;
    let mut response = client
        .request("POST")
        .header("Content-Type", "application/json")
        .header("Origin", gateway.origin())
        .header("Cookie", "session=secret")
        .header("Authorization", "Bearer secret")
        .body(body)
        .send()
        .await;
    let answer = response.text().await;
    assert_eq!(response.status, 200, "{answer}");
    let answer = answer.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&answer);
    let headers: Value = serde_json::from_str(&text(answer)).expect("headers");
    for name in ["origin", "cookie", "authorization"] {
        assert_eq!(headers.get(name), None, "{name}");
    }
    let authority = server.url().trim_start_matches("http://").trim_end_matches("/mcp");
    assert_eq!(headers["host"], authority);
    let accept = headers["accept"].as_str().expect("an Accept header");
    assert!(
        accept.contains("application/json") && accept.contains("text/event-stream"),
        "{accept}"
    );
    assert_ne!(
        headers["mcp-session-id"].as_str(),
        client.session(),
        "the session is not the client's"
    );
}

#[tokio::test]
async fn a_child_gets_a_clean_environment_and_what_its_server_names() {
    let Some(peers) = Peers::installed() else { return };
    let line = peers.misbehave_stdio();
    let spec = json!({
        "type": "stdio", "command": line[0], "args": line[1..], "autoStart": true,
        "env": {"NAMED": "yes"},
    });
    let config = ConfigDir::new().config(NATIVE).server("pipe", &spec);
    let gateway = Gateway::start_with(BINARY, config.path(), |command| {
        command.env("SECRET_OF_THE_GATEWAY", "secret");
    })
    .await;
    let client = gateway.client_that_sees(&["x_pipe_environment"]).await;
    let environment = text(&client.call_tool("x_pipe_environment", &json!({})).await);
    let environment: Value = serde_json::from_str(&environment).expect("an environment");
    assert_eq!(environment["NAMED"], "yes");
    assert!(
        environment.get("PATH").is_some() && environment.get("HOME").is_some(),
        "{environment}"
    );
    let ours = environment.as_object().expect("an object").keys();
    let ours: Vec<_> =
        ours.filter(|name| name.contains("SECRET") || name.contains("PORTCULLIS")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[tokio::test]
async fn a_stream_that_ends_early_is_resumed_for_the_client() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[("PRIMING", "1")]).await;
    let config = ConfigDir::new().config(NATIVE).http("web", server.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_web_cut"]).await;
    assert_eq!(text(&client.call_tool("x_web_cut", &json!({})).await), "fetched later");
}

#[tokio::test]
async fn a_client_sees_the_tools_its_capabilities_earn() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::everything_http(&peers).await;
    let config = ConfigDir::new()
        .config(NATIVE)
        .http("alone", server.url(), &json!({"isolation": "session"}))
        .http("shared", server.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_alone_echo", "x_shared_echo"]).await;
    let able = RawClient::connect(gateway.url(), &json!({"sampling": {}, "elicitation": {}})).await;
    let unable = RawClient::connect(gateway.url(), &json!({})).await;
    let (earned, plain) =
        (able.call("tools/list", &json!({})).await, unable.call("tools/list", &json!({})).await);
    for backend in ["alone", "shared"] {
        for tool in ["trigger-sampling-request", "trigger-elicitation-request"] {
            let name = format!("\"x_{backend}_{tool}\"");
            assert!(earned.contains(&name) && !plain.contains(&name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_appears_is_announced_and_callable() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new().config(NATIVE).http("web", server.url(), &json!({})).stdio(
        "pipe",
        &peers.misbehave_stdio(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_web_grow", "x_pipe_grow"]).await;
    for backend in ["web", "pipe"] {
        let mut stream = client.listen().await;
        assert_eq!(stream.status, 200);
        client.call_tool(&format!("x_{backend}_grow"), &json!({})).await;
        // A change may be announced more than once, so the first announcement may be of the other backend.
        let announced = async {
            loop {
                let event = stream.event().await.expect("the stream stays open");
                let method = event.message().and_then(|message| member(message, "method"));
                if method == Some(r#""notifications/tools/list_changed""#) {
                    let list = client.call("tools/list", &json!({})).await;
                    if list.contains(&format!("\"x_{backend}_extra_1\"")) {
                        break;
                    }
                }
            }
        };
        within("tools/list_changed", announced).await;
        let answer = client.call_tool(&format!("x_{backend}_extra_1"), &json!({})).await;
        assert_eq!(text(&answer), "extra_1", "{backend}");
    }
}
