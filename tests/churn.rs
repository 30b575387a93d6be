//! Sessions come and go by the hundred and the thousand, and leave nothing behind.

use std::sync::Arc;

use portcullis_test_support::wire::{Connection, Request, Url};
use portcullis_test_support::{
    ConfigDir, DEADLINE, Gateway, Peers, RawClient, Signal, is_running, until, within,
};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";
/// How many sessions, and so children, there are at one time.
const AT_ONCE: usize = 8;
/// One session in so many leaves without a word.
const LEAVES: usize = 20;

/// One session with a call in it; some are left open, as by a client that has crashed.
async fn session(url: String, number: usize) {
    let client = RawClient::connect(&url, &json!({})).await;
    let message = format!("session {number}");
    let answer = client.call_tool("x_own_echo", &json!({"message": message})).await;
    assert!(answer.contains(&message), "{answer}");
    if !number.is_multiple_of(LEAVES) {
        assert_eq!(client.close().await, 200);
    }
}

/// Opens and drops sessions that have each a child of their own, then stops the gateway.
async fn churn(line: &[String], sessions: usize) {
    let config =
        ConfigDir::new().config(NATIVE).stdio("own", line, &json!({"isolation": "session"}));
    let mut gateway = Gateway::start(BINARY, config.path()).await;
    let running = r#"portcullis_backend_state{backend="own",state="running"}"#;
    gateway.until_metric(running, |running| running > 0.5).await;
    let before = gateway.children().len();

    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for number in 0..sessions {
        let (url, turns) = (gateway.url().to_owned(), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.expect("never closed");
            session(url, number).await;
        });
    }
    running.join_all().await;

    let left = sessions.div_ceil(LEAVES);
    until("only the children of sessions that were not ended are left", || {
        gateway.children().len() == before + left
    })
    .await;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 sessions")]
    let (connections, ended) = ((left + 1) as f64, (sessions - left) as f64);
    let open = r#"portcullis_backend_connections{backend="own"}"#; // the supervisor has one
    gateway.until_metric(open, |open| (open - connections).abs() < 0.5).await;
    let evictions = r#"portcullis_backend_evictions_total{backend="own",reason="session"}"#;
    gateway.until_metric(evictions, |evicted| (evicted - ended).abs() < 0.5).await;

    let children = gateway.children();
    gateway.process().signal(Signal::TERM);
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
    until("no child is left", || !children.iter().any(|pid| is_running(*pid))).await;
}

/// Each child needs 0.4 s of a processor to start, so this takes minutes.
#[tokio::test]
async fn five_hundred_sessions_with_children_of_their_own_leave_none_behind() {
    let Some(peers) = Peers::installed() else { return };
    churn(&peers.everything_stdio(), 500).await;
}

/// Opens sessions over one connection and returns their ids.
async fn sessions(url: &str, count: usize) -> Vec<String> {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "idle", "version": "0"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let request = Request::new("POST", url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .to_bytes();
    let mut connection = Connection::open(&Url::parse(url).authority).await;
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        connection.write(&request).await;
        let mut response = connection.response().await;
        assert_eq!(response.status, 200);
        response.bytes().await;
        ids.push(response.header("mcp-session-id").expect("a session").to_owned());
        connection = response.into_connection();
    }
    ids
}

#[tokio::test]
async fn ten_thousand_idle_sessions_cost_no_memory_and_can_be_used() {
    let demo = ["portcullis", "demo-server"].map(str::to_owned);
    let config = ConfigDir::new().config(NATIVE).stdio("demo", &demo, &json!({})).stdio(
        "own",
        &demo,
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_demo_echo", "x_own_echo"]).await.close().await;
    let url = gateway.url();
    let four = async |each| {
        let four = [each; 4].map(|each| sessions(url, each));
        futures_util::future::join_all(four).await
    };
    // Whatever each worker makes once has been made by then.
    let first = within("1,000 sessions", four(250)).await.concat();
    let before = gateway.memory_kib();
    for _ in 0..3 {
        within("3,000 more sessions", four(750)).await;
    }
    let grown = gateway.memory_kib().saturating_sub(before);
    // The allocator takes and gives back a few pages, whatever is kept.
    assert!(grown < 2048, "9,000 idle sessions cost {grown} KiB");

    for (number, tool) in [(0, "x_demo_echo"), (1, "x_own_echo")] {
        let call = json!({
            "jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": {"name": tool, "arguments": {"message": "after all this time"}},
        });
        let mut answer = Request::new("POST", url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Mcp-Session-Id", &first[number])
            .header("MCP-Protocol-Version", "2025-11-25")
            .body(call.to_string())
            .send()
            .await;
        assert_eq!(answer.status, 200);
        let answer = answer.text().await;
        assert!(answer.contains("after all this time"), "{tool}: {answer}");
    }
}
