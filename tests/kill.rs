//! `kill -9` of a backend with calls of every kind under way: they end with an error that names it, and nothing else does.

use std::sync::Arc;

use portcullis_test_support::wire::Request;
use portcullis_test_support::{
    Backend, ConfigDir, Exchange, Gateway, Peers, RawClient, kill, member, within,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const OTHERS: usize = 50;

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

fn slow(tool: &str, ms: u64, meta: &Value) -> Value {
    json!({"name": tool, "arguments": {"ms": ms}, "_meta": meta})
}

/// Calls of other backends, half of which stream.
async fn others(client: &Arc<RawClient>) -> (JoinSet<String>, Vec<Exchange>) {
    let (mut silent, mut streams) = (JoinSet::new(), Vec::new());
    for number in 0..OTHERS / 2 {
        let client = Arc::clone(client);
        let tool = ["x_one_slow", "x_two_slow"][number % 2];
        let params = slow(tool, 1500, &json!({"progressToken": number}));
        streams.push(client.start("tools/call", &params).await);
        silent.spawn(async move { client.call("tools/call", &slow(tool, 1500, &json!({}))).await });
    }
    (silent, streams)
}

async fn assert_only_the_victims_calls_fail(
    gateway: &Gateway,
    client: Arc<RawClient>,
    kill: impl FnOnce(),
) {
    let mut streaming = client
        .start("tools/call", &slow("x_victim_slow", 20_000, &json!({"progressToken": "v"})))
        .await;
    streaming.message().await.expect("progress");
    let mut silent = JoinSet::new();
    let hanging = Arc::clone(&client);
    silent.spawn(async move {
        hanging.call("tools/call", &slow("x_victim_slow", 20_000, &json!({}))).await
    });
    let (mut calls, streams) = others(&client).await;
    client.call_tool("x_victim_echo", &json!({"message": "the last word"})).await;

    kill();
    let silent = within("the silent call", silent.join_next()).await;
    for answer in [
        silent.expect("one call").expect("it did not panic"),
        within("the last event of the stream", streaming.response_message()).await,
    ] {
        assert!(member(&answer, "error").is_some(), "{answer}");
        assert!(answer.contains("backend victim"), "{answer}");
    }
    assert_eq!(within("the end of the stream", streaming.message()).await, None);

    while let Some(answer) = within("the other calls", calls.join_next()).await {
        let answer = answer.expect("the call did not panic");
        assert!(answer.contains("took 1500 ms"), "{answer}");
    }
    for mut stream in streams {
        let answer = within("the other streams", stream.response_message()).await;
        assert!(answer.contains("took 1500 ms"), "{answer}");
    }
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    let failed = r#"portcullis_calls_total{method="tools/call",tool="x_victim_slow",backend="victim",outcome="error""#;
    assert!((gateway.metric(failed).await - 2.0).abs() < 0.5);
}

const TOOLS: [&str; 3] = ["x_victim_slow", "x_one_slow", "x_two_slow"];

#[tokio::test]
async fn a_killed_child_fails_its_own_calls_only() {
    let two = Backend::demo_http(BINARY).await;
    let config =
        ConfigDir::new().stdio("one", &demo(), &json!({})).http("two", two.url(), &json!({}));
    // Only the victim's child has this variable.
    let spec = json!({
        "type": "stdio", "command": "portcullis", "args": ["demo-server"], "autoStart": true,
        "env": {"VICTIM": "yes"},
    });
    let config = config.server("victim", &spec);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = Arc::new(gateway.client_that_sees(&TOOLS).await);
    let victim = child_with(gateway.process().pid(), "VICTIM=yes");
    assert_only_the_victims_calls_fail(&gateway, client, || kill(victim)).await;
    let verbose = format!("{}/ready?verbose", gateway.metrics_origin());
    let verbose = Request::new("GET", &verbose).send().await.text().await;
    assert!(!verbose.contains(r#"{"name":"victim","state":"running"}"#), "{verbose}");
}

#[tokio::test]
async fn a_killed_http_backend_fails_its_own_calls_only() {
    let (victim, two) = (Backend::demo_http(BINARY).await, Backend::demo_http(BINARY).await);
    let config = ConfigDir::new()
        .http("victim", victim.url(), &json!({}))
        .stdio("one", &demo(), &json!({}))
        .http("two", two.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = Arc::new(gateway.client_that_sees(&TOOLS).await);
    assert_only_the_victims_calls_fail(&gateway, Arc::clone(&client), || victim.kill()).await;
    let answer = client.call_tool("x_victim_echo", &json!({"message": "m"})).await;
    assert!(member(&answer, "error").is_some() && answer.contains("victim"), "{answer}");
}

#[tokio::test]
async fn a_killed_backend_of_the_older_transport_fails_its_own_calls_only() {
    let Some(peers) = Peers::installed() else { return };
    let victim = Backend::py_v1_sse(&peers).await;
    let config = ConfigDir::new()
        .sse("victim", victim.url(), &json!({}))
        .stdio("one", &demo(), &json!({}))
        .stdio("two", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = Arc::new(gateway.client_that_sees(&TOOLS).await);
    assert_only_the_victims_calls_fail(&gateway, Arc::clone(&client), || victim.kill()).await;
    let answer = client.call_tool("x_victim_echo", &json!({"message": "m"})).await;
    assert!(member(&answer, "error").is_some() && answer.contains("victim"), "{answer}");
}

/// The child of a process with this variable in its environment.
fn child_with(parent: u32, variable: &str) -> u32 {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.find(|pid| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        rest.split(' ').nth(1) == Some(&*parent.to_string())
            && read("environ").split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
    });
    found.expect("a child with the variable")
}
