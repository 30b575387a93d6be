//! What backends get wrong: the call gets an error that names the backend, or the message is dropped and counted.

use std::sync::Arc;

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, until, within};
use serde_json::json;
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// The bad one over stdio, the bad one over both transports of HTTP, and a bystander.
struct Neighbours {
    _servers: [Backend; 2],
    gateway: Gateway,
    client: Arc<RawClient>,
}

async fn neighbours() -> Option<Neighbours> {
    let peers = Peers::installed()?;
    let web = Backend::misbehave_http(&peers, &[]).await;
    let old = Backend::misbehave_sse(&peers, &[]).await;
    let config = ConfigDir::new()
        .sse("old", old.url(), &json!({"callTimeout": "2s"}))
        .stdio("pipe", &peers.misbehave_stdio(), &json!({"callTimeout": "2s"}))
        .http("web", web.url(), &json!({"callTimeout": "2s"}))
        .stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let tools = ["x_pipe_echo", "x_web_echo", "x_old_echo", "x_demo_echo"];
    let client = Arc::new(gateway.client_that_sees(&tools).await);
    Some(Neighbours { _servers: [web, old], gateway, client })
}

impl Neighbours {
    /// Calls of the bystander that are under way while something bad happens.
    fn bystanders(&self) -> JoinSet<String> {
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let client = Arc::clone(&self.client);
            calls.spawn(async move { client.call_tool("x_demo_slow", &json!({"ms": 300})).await });
        }
        calls
    }
}

async fn assert_unharmed(mut calls: JoinSet<String>) {
    while let Some(answer) = within("the bystanders", calls.join_next()).await {
        let answer = answer.expect("the call did not panic");
        assert!(answer.contains("took 300 ms"), "{answer}");
    }
}

#[tokio::test]
async fn what_means_nothing_is_dropped_and_counted() {
    let Some(neighbours) = neighbours().await else { return };
    let Neighbours { gateway, client, .. } = &neighbours;
    for backend in ["pipe", "web", "old"] {
        for (tool, says) in [
            ("garbage", "after garbage"),
            ("unknown_id", "after an unknown id"),
            ("twice", "first"),
        ] {
            let calls = neighbours.bystanders();
            let before = gateway.metric("portcullis_dropped_total").await;
            let answer = client.call_tool(&format!("x_{backend}_{tool}"), &json!({})).await;
            assert!(answer.contains(says), "{backend} {tool}: {answer}");
            gateway.until_metric("portcullis_dropped_total", |dropped| dropped > before).await;
            assert_unharmed(calls).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_gets_no_answer_ends_with_an_error_that_names_the_backend() {
    let Some(neighbours) = neighbours().await else { return };
    let Neighbours { gateway, client, .. } = &neighbours;
    for (backend, tool, arguments) in [
        ("web", "hang", json!({})),
        ("web", "html", json!({"status": 502})),
        ("web", "html", json!({"status": 200})),
        ("web", "reset", json!({})),
        ("web", "huge", json!({"bytes": 100_000_000})),
        ("pipe", "hang", json!({})),
        ("old", "hang", json!({})),
        ("old", "html", json!({"status": 404})),
        ("old", "html", json!({"status": 500})),
        ("old", "html", json!({"status": 200})),
        ("old", "reset", json!({})),
    ] {
        let calls = neighbours.bystanders();
        let answer = client.call_tool(&format!("x_{backend}_{tool}"), &arguments).await;
        assert!(answer.contains(r#""error""#), "{backend} {tool}: {answer}");
        assert!(answer.contains(&format!("backend {backend}")), "{backend} {tool}: {answer}");
        assert_unharmed(calls).await;
        let answer =
            client.call_tool(&format!("x_{backend}_echo"), &json!({"message": "on"})).await;
        assert!(answer.contains("on"), "{backend} after {tool}: {answer}");
    }
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
}

#[tokio::test]
async fn a_server_that_dies_in_mid_answer_fails_that_call_and_no_other() {
    for (backend, tool, arguments) in [
        ("pipe", "half_answer", json!({})),
        ("pipe", "die", json!({})),
        ("pipe", "huge", json!({"bytes": 100_000_000})),
        ("web", "half_answer", json!({})),
        ("web", "die", json!({})),
        ("old", "half_answer", json!({})),
        ("old", "die", json!({})),
        ("old", "cut", json!({})),
        ("old", "huge", json!({"bytes": 100_000_000})),
    ] {
        let Some(neighbours) = neighbours().await else { return };
        let Neighbours { gateway, client, .. } = &neighbours;
        let calls = neighbours.bystanders();
        let answer = client.call_tool(&format!("x_{backend}_{tool}"), &arguments).await;
        assert!(answer.contains(r#""error""#), "{backend} {tool}: {answer}");
        assert!(answer.contains(&format!("backend {backend}")), "{backend} {tool}: {answer}");
        assert_unharmed(calls).await;
        // What is gone is said at once, and by name; nobody waits for it.
        let answer = client.call_tool(&format!("x_{backend}_hang"), &json!({})).await;
        assert!(answer.contains(backend), "{backend} after {tool}: {answer}");
        gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    }
}

#[tokio::test]
async fn an_event_stream_that_leads_nowhere_is_said_to_and_harms_nobody() {
    let Some(peers) = Peers::installed() else { return };
    let table = [
        ("never", "ENDPOINT", "never", "it named no endpoint within 2 s"),
        ("stranger", "ENDPOINT", "http://192.0.2.1/message?", "another origin than spec.url"),
        ("garbled", "ENDPOINT", "http://[", "the endpoint it names is no URL"),
        ("nowhere", "ENDPOINT", "/nowhere?", "HTTP 404: Session not found"),
        ("failing", "INITIALIZE", "500", "HTTP 500: Bad Gateway"),
        ("relative", "ENDPOINT", "message?session=", ""),
    ];
    let mut servers = Vec::new();
    let mut config = ConfigDir::new().stdio("demo", &demo(), &json!({}));
    for (name, habit, value, _) in table {
        let server = Backend::misbehave_sse(&peers, &[(habit, value)]).await;
        let spec = json!({"type": "sse", "url": server.url(), "autoStart": true, "timeout": 2});
        config = config.server(name, &spec);
        servers.push(server);
    }
    let newer = Backend::misbehave_http(&peers, &[]).await;
    config = config.sse("newer", newer.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo", "x_relative_echo"]).await;
    for (at, (name, _, _, says)) in table.into_iter().enumerate() {
        if says.is_empty() {
            let tool = format!("x_{name}_echo");
            let answer = client.call_tool(&tool, &json!({"message": "on"})).await;
            assert!(answer.contains("on"), "{name}: {answer}");
            continue;
        }
        let error = gateway.failure(name).await;
        assert!(error.contains(says), "{name}: {error}");
        servers[at]
            .process()
            .line("its stream's end", |line| line.contains("closed").then_some(()))
            .await;
    }
    let error = gateway.failure("newer").await;
    assert!(error.contains("type: streamable-http"), "{error}");
}

#[tokio::test]
async fn faults_leave_no_file_open() {
    let Some(neighbours) = neighbours().await else { return };
    let Neighbours { gateway, client, .. } = &neighbours;
    let files = gateway.open_files();
    for _ in 0..10 {
        for backend in ["web", "old"] {
            for tool in ["garbage", "reset", "html", "twice"] {
                client.call_tool(&format!("x_{backend}_{tool}"), &json!({})).await;
            }
        }
    }
    // Each worker may keep an idle connection to a backend.
    until("the files are closed", || gateway.open_files() <= files + 4).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_nobody_else() {
    let Some(neighbours) = neighbours().await else { return };
    let Neighbours { gateway, client, .. } = &neighbours;
    for backend in ["pipe", "web", "old"] {
        let params = json!({
            "name": format!("x_{backend}_flood"),
            "arguments": {"count": 20_000},
            "_meta": {"progressToken": "p"},
        });
        let unread = client.start("tools/call", &params).await;
        let calls = neighbours.bystanders();
        let echo = format!("x_{backend}_echo");
        let answer = client.call_tool(&echo, &json!({"message": "on"})).await;
        assert!(answer.contains("on"), "{backend}: {answer}");
        assert_unharmed(calls).await;
        drop(unread);
        gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    }
}

#[tokio::test]
async fn calls_under_one_id_are_both_answered() {
    let Some(neighbours) = neighbours().await else { return };
    let client = &neighbours.client;
    let call = |message: &str| {
        let params = json!({"name": "x_demo_echo", "arguments": {"message": message}});
        json!({"jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params})
            .to_string()
    };
    let (mut one, mut two) = tokio::join!(client.post(call("one")), client.post(call("two")));
    assert!(one.text().await.contains("one") && two.text().await.contains("two"));
}
