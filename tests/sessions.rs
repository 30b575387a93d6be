//! How sessions end, and where they are known.

use portcullis_test_support::scenes::{demo, listener, odd_gateway, rest};
use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, is_running, until};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

#[tokio::test]
async fn deleting_a_session_ends_its_streams_and_its_id() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = odd_gateway(BINARY, &peers).await;
    let (client, mut listening) = listener(gateway.url()).await;
    let mut call = client.start("tools/call", &json!({"name": "x_odd_hang"})).await;
    let (ping, get, delete) = (
        client
            .request("POST")
            .header("Content-Type", "application/json")
            .body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        client.request("GET").header("Accept", "text/event-stream"),
        client.request("DELETE"),
    );
    assert_eq!(client.close().await, 200);
    assert_eq!(rest(&mut listening).await, Vec::<String>::new());
    rest(&mut call.response).await;
    for request in [ping, get, delete] {
        assert_eq!(request.send().await.status, 404);
    }
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
}

#[tokio::test]
async fn deleting_a_session_takes_its_own_servers_with_it() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let own = json!({"isolation": "session"});
    let config =
        ConfigDir::new().stdio("pipe", &peers.misbehave_stdio(), &own).http("web", web.url(), &own);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_pipe_pid", "x_web_echo"]).await;
    client.call_tool("x_web_echo", &json!({"message": "a session at the backend"})).await;
    let answer = client.call_tool("x_pipe_pid", &json!({})).await;
    let pid = answer.split(r#""text":""#).nth(1).and_then(|text| text.split('"').next());
    let pid: u32 = pid.and_then(|pid| pid.parse().ok()).expect("a process id");
    assert!(is_running(pid));
    assert_eq!(client.close().await, 200);
    until("the session's child has ended", || !is_running(pid)).await;
    web.process().line("a DELETE", |line| line.starts_with("deleted ").then_some(())).await;
}

#[tokio::test]
async fn a_gateway_with_the_same_keys_takes_over_sessions_it_has_never_seen() {
    let key = "a7".repeat(32);
    let config = ConfigDir::new()
        .file("session.key", &key)
        .config("sessions: {keyFiles: [session.key]}\n")
        .stdio("demo", &demo(), &json!({}))
        .stdio("own", &demo(), &json!({"isolation": "session"}));
    let first = Gateway::start(BINARY, config.path()).await;
    let second = Gateway::start(BINARY, config.path()).await;
    let client = first.client_that_sees(&["x_demo_echo", "x_own_echo"]).await;
    second.client_that_sees(&["x_demo_echo", "x_own_echo"]).await;
    let there = |method: &str, body: &str| {
        let mut request = portcullis_test_support::wire::Request::new(method, second.url())
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Mcp-Session-Id", client.session().expect("a session"));
        if !body.is_empty() {
            request = request.body(body);
        }
        request
    };
    let call = |tool: &str| {
        let params = json!({"name": tool, "arguments": {"message": "moved"}});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
    };
    let mut answer = there("POST", &call("x_demo_echo")).send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().await.contains("moved"));
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(there("POST", initialized).send().await.status, 202);
    assert_eq!(there("GET", "").send().await.status, 200);
    assert_eq!(
        there("POST", &call("x_own_echo")).send().await.status,
        404,
        "its own child lives at home"
    );
    assert_eq!(there("DELETE", "").send().await.status, 404);
    let answer = client.call_tool("x_own_echo", &json!({"message": "at home"})).await;
    assert!(answer.contains("at home"), "{answer}");
    assert_eq!(client.close().await, 200);
}
