//! What becomes of the clients of HTTP+SSE when they leave, and when the gateway does.

use portcullis_test_support::scenes::demo;
use portcullis_test_support::{
    ConfigDir, DEADLINE, Gateway, RawDuplex, Signal, children, is_running, member, until,
};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

async fn gateway(more: &str) -> Gateway {
    let yaml = format!("aggregator: {{exposure: native}}\n{more}");
    let config = ConfigDir::new().config(&yaml).stdio("demo", &demo(), &json!({})).stdio(
        "own",
        &demo(),
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_demo_slow", "x_own_slow"]).await;
    gateway
}

async fn connect(gateway: &Gateway) -> RawDuplex {
    let mut client = RawDuplex::open_sse(&gateway.sse_url()).await;
    client.initialize("2024-11-05", &json!({})).await;
    client
}

async fn start(client: &mut RawDuplex, tool: &str, ms: u64) {
    let params = json!({
        "name": tool,
        "arguments": {"ms": ms},
        "_meta": {"progressToken": tool},
    });
    client.start("tools/call", &params).await;
}

/// Begins a slow call and waits until it is under way.
async fn call(client: &mut RawDuplex, tool: &str, ms: u64) {
    start(client, tool, ms).await;
    let first = client.answer_to_me().await;
    assert_eq!(member(&first, "method"), Some(r#""notifications/progress""#), "{first}");
}

#[tokio::test]
async fn clients_that_vanish_take_their_calls_and_their_servers_with_them() {
    let gateway = gateway("").await;
    let files = gateway.open_files();
    let before = children(gateway.process().pid());
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = connect(&gateway).await;
        for tool in ["x_demo_slow", "x_own_slow"] {
            start(&mut client, tool, 10_000).await;
        }
        clients.push(client);
    }
    for client in &mut clients {
        let tools = [r#""x_demo_slow""#, r#""x_own_slow""#];
        let mut silent = tools.to_vec();
        while !silent.is_empty() {
            let progress = client.answer_to_me().await;
            silent.retain(|tool| !progress.contains(tool));
        }
    }
    let mut own = children(gateway.process().pid());
    own.retain(|child| !before.contains(child));
    assert_eq!(own.len(), 5);
    drop(clients);
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    for child in own {
        until("the session's child has ended", || !is_running(child)).await;
    }
    for tool in ["x_demo_slow", "x_own_slow"] {
        let cancelled = format!(r#"portcullis_calls_total{{method="tools/call",tool="{tool}""#);
        gateway.until_metric(&cancelled, |ended| ended > 4.5).await;
    }
    until("the files are closed", || gateway.open_files() <= files + 1).await;
}

#[tokio::test]
async fn sigterm_lets_calls_finish_and_tells_the_client_when_to_come_back() {
    let mut gateway = gateway("").await;
    let mut client = connect(&gateway).await;
    call(&mut client, "x_demo_slow", 2000).await;
    gateway.process().signal(Signal::TERM);
    let mut last = None;
    while let Some(message) = client.message().await {
        last = Some(message);
    }
    assert!(last.as_deref().is_some_and(|last| last.contains("took 2000 ms")), "{last:?}");
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_gets_an_error_as_its_last_word() {
    let mut gateway = gateway("http: {drain: 300ms}\n").await;
    let mut client = connect(&gateway).await;
    call(&mut client, "x_demo_slow", 20_000).await;
    gateway.process().signal(Signal::TERM);
    let mut last = String::new();
    while let Some(message) = client.message().await {
        last = message;
    }
    assert!(last.contains("shutting down") && member(&last, "error").is_some(), "{last}");
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
}
