//! One backend dies or misbehaves, and nobody else notices.

use std::sync::Arc;

use portcullis_test_support::{
    Backend, ConfigDir, DEADLINE, Gateway, Peers, RawClient, Signal, is_running, kill, member,
    until, within,
};
use serde_json::json;
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";
const BYSTANDERS: usize = 50;

/// Calls under way on another backend, each of which has to succeed.
fn bystanders(client: &Arc<RawClient>, tool: &'static str) -> JoinSet<String> {
    let mut calls = JoinSet::new();
    for _ in 0..BYSTANDERS {
        let client = Arc::clone(client);
        calls.spawn(async move { client.call_tool(tool, &json!({"ms": 500})).await });
    }
    calls
}

async fn assert_all_succeed(mut calls: JoinSet<String>) {
    while let Some(answer) = within("the other calls", calls.join_next()).await {
        let answer = answer.expect("the call did not panic");
        assert!(answer.contains("done"), "{answer}");
    }
}

fn is_error(answer: &str) -> bool {
    member(answer, "error").is_some() || answer.contains(r#""isError":true"#)
}

/// A call of the victim under way for as long as anybody can wait, and the process that runs it.
async fn hanging_call(client: &Arc<RawClient>) -> (JoinSet<String>, u32) {
    let mut call = JoinSet::new();
    let hanging = Arc::clone(client);
    call.spawn(async move { hanging.call_tool("x_victim_hang", &json!({})).await });
    // The victim has surely begun that call once it has answered one that came later.
    let answer = client.call_tool("x_victim_pid", &json!({})).await;
    (call, number(&answer))
}

/// The number that is the text of a result.
fn number(answer: &str) -> u32 {
    let text = answer.split_once(r#""text":""#).unwrap_or_else(|| panic!("no text: {answer}")).1;
    text.split('"')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no number: {answer}"))
}

async fn assert_the_victim_fails_alone(client: Arc<RawClient>, other: &'static str) {
    let calls = bystanders(&client, other);
    let (mut call, pid) = hanging_call(&client).await;
    kill(pid);
    let answer = within("the call that was cut off", call.join_next()).await;
    let answer = answer.expect("one call").expect("the call did not panic");
    assert!(is_error(&answer), "{answer}");
    assert!(answer.contains("victim"), "an error says which backend failed: {answer}");
    assert_all_succeed(calls).await;
}

#[tokio::test]
async fn kill_9_of_a_child_in_mid_call_fails_that_call_and_no_other() {
    let Some(peers) = Peers::installed() else { return };
    let other = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new()
        .config(NATIVE)
        .stdio("victim", &peers.misbehave_stdio(), &json!({}))
        .http("other", other.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = Arc::new(gateway.client_that_sees(&["x_victim_pid", "x_other_slow"]).await);
    assert_the_victim_fails_alone(client, "x_other_slow").await;
}

#[tokio::test]
async fn kill_9_of_an_http_backend_in_mid_call_fails_that_call_and_no_other() {
    let Some(peers) = Peers::installed() else { return };
    let victim = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new().config(NATIVE).http("victim", victim.url(), &json!({})).stdio(
        "other",
        &peers.misbehave_stdio(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = Arc::new(gateway.client_that_sees(&["x_victim_pid", "x_other_slow"]).await);
    assert_the_victim_fails_alone(client, "x_other_slow").await;
}

#[tokio::test]
async fn children_of_children_end_with_the_gateway() {
    let Some(peers) = Peers::installed() else { return };
    let config =
        ConfigDir::new().config(NATIVE).stdio("victim", &peers.misbehave_stdio(), &json!({}));
    let mut gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_victim_pid"]).await;
    let pids = [
        number(&client.call_tool("x_victim_pid", &json!({})).await),
        number(&client.call_tool("x_victim_grandchild", &json!({})).await),
    ];
    gateway.process().signal(Signal::TERM);
    assert!(gateway.process_mut().finished(DEADLINE).await.success());
    for pid in pids {
        until("the child ends", || !is_running(pid)).await;
    }
}

#[tokio::test]
async fn a_backend_that_talks_nonsense_is_understood_where_it_makes_sense() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[("PRIMING", "1")]).await;
    let config = ConfigDir::new()
        .config(NATIVE)
        .stdio("pipe", &peers.misbehave_stdio(), &json!({}))
        .http("web", server.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_pipe_echo", "x_web_echo"]).await;
    for backend in ["pipe", "web"] {
        let call = async |tool: &str, arguments| {
            client.call_tool(&format!("x_{backend}_{tool}"), &arguments).await
        };
        for (tool, wanted) in [
            ("garbage", "after garbage"),
            ("unknown_id", "after an unknown id"),
            ("twice", "first"),
        ] {
            let answer = call(tool, json!({})).await;
            assert!(answer.contains(wanted), "{backend} {tool}: {answer}");
        }
        for (tool, arguments, wanted) in [
            ("flood", json!({"count": 5000}), "flooded"),
            ("stderr", json!({"bytes": 1_000_000}), "wrote to stderr"),
        ] {
            let answer = call(tool, arguments).await;
            assert!(answer.contains(wanted), "{backend} {tool}: {answer}");
        }
    }
    // A line that nobody can hold costs its backend at most.
    for (backend, other) in [("web", "pipe"), ("pipe", "web")] {
        let huge = json!({"bytes": 100_000_000});
        assert!(
            is_error(&client.call_tool(&format!("x_{backend}_huge"), &huge).await),
            "{backend}"
        );
        let hello = json!({"message": "still here"});
        let answer = client.call_tool(&format!("x_{other}_echo"), &hello).await;
        assert!(answer.contains("still here"), "{other} beside {backend}: {answer}");
    }
}

#[tokio::test]
async fn http_faults_become_errors_and_lost_sessions_are_opened_again() {
    let Some(peers) = Peers::installed() else { return };
    for lost in ["400", "404"] {
        let server =
            Backend::misbehave_http(&peers, &[("LOST_SESSION", lost), ("GET_STREAM", "405")]).await;
        let config = ConfigDir::new().config(NATIVE).http("web", server.url(), &json!({}));
        let gateway = Gateway::start(BINARY, config.path()).await;
        let client = gateway.client_that_sees(&["x_web_echo"]).await;
        for (tool, arguments) in [
            ("html", json!({"status": 502})),
            ("html", json!({"status": 200})),
            ("reset", json!({})),
        ] {
            let answer = client.call_tool(&format!("x_web_{tool}"), &arguments).await;
            assert!(is_error(&answer), "{tool} {arguments}: {answer}");
        }
        client.call_tool("x_web_forget", &json!({})).await;
        let answer = client.call_tool("x_web_echo", &json!({"message": "again"})).await;
        assert!(answer.contains("again"), "a session lost with {lost}: {answer}");
    }
}
