//! How real servers answer corner cases, and what a backend gets to see of the client and of us.

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
    let config = ConfigDir::new().config(NATIVE).http(
        "everything",
        server.url(),
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_everything_echo"]).await;
    let able = RawClient::connect(gateway.url(), &json!({"sampling": {}, "elicitation": {}})).await;
    let unable = RawClient::connect(gateway.url(), &json!({})).await;
    for tool in ["trigger-sampling-request", "trigger-elicitation-request"] {
        let name = format!("\"x_everything_{tool}\"");
        assert!(able.call("tools/list", &json!({})).await.contains(&name), "{tool}");
        assert!(!unable.call("tools/list", &json!({})).await.contains(&name), "{tool}");
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
        let announced = async {
            loop {
                let event = stream.event().await.expect("the stream stays open");
                let method = event.message().and_then(|message| member(message, "method"));
                if method == Some(r#""notifications/tools/list_changed""#) {
                    break;
                }
            }
        };
        within("tools/list_changed", announced).await;
        let answer = client.call_tool(&format!("x_{backend}_extra_1"), &json!({})).await;
        assert_eq!(text(&answer), "extra_1", "{backend}");
    }
}
