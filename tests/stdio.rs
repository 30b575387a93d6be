//! The gateway as the child of its one client: how it speaks, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use portcullis_test_support::scenes::demo;
use portcullis_test_support::{
    ConfigDir, DEADLINE, Gateway, RawDuplex, Signal, children, is_running, member, until,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;

fn config(more: &str) -> ConfigDir {
    let yaml = format!("aggregator: {{exposure: native, transport: stdio}}\n{more}");
    ConfigDir::new().config(&yaml).stdio("demo", &demo(), &json!({})).stdio(
        "own",
        &demo(),
        &json!({"isolation": "session"}),
    )
}

/// A client in the midst of a slow call, and the processes behind it.
async fn calling(config: &ConfigDir, ms: u64) -> (RawDuplex, Vec<u32>) {
    let mut client = RawDuplex::open_stdio(BINARY, config.path());
    client.initialize("2025-11-25", &json!({})).await;
    client.until_listed(&["x_demo_slow", "x_own_slow"]).await;
    let params = json!({
        "name": "x_own_slow",
        "arguments": {"ms": ms},
        "_meta": {"progressToken": "p"},
    });
    client.start("tools/call", &params).await;
    let first = client.answer_to_me().await;
    assert_eq!(member(&first, "method"), Some(r#""notifications/progress""#), "{first}");
    let children = children(client.process().pid());
    assert!(children.len() >= 2, "{children:?}");
    (client, children)
}

/// The last message, and the end of everything.
async fn last(mut client: RawDuplex, children: Vec<u32>) -> String {
    let mut last = String::new();
    while let Some(message) = client.message().await {
        last = message;
    }
    let process = client.process();
    assert_eq!(process.finished(DEADLINE).await.code(), Some(0), "{}", process.output());
    for child in children {
        until("no child is left behind", || !is_running(child)).await;
    }
    last
}

#[tokio::test]
async fn standard_output_carries_nothing_but_messages() {
    let config = config("");
    let mut client = RawDuplex::open_stdio_with(BINARY, config.path(), |command| {
        command.arg("--debug");
    });
    client.send("garbage").await;
    let refused = client.answer_to_me().await;
    let refused: Value = serde_json::from_str(&refused).expect("JSON");
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(-32700), &Value::Null));
    client.initialize("2024-11-05", &json!({})).await;
    client.until_listed(&["x_demo_echo"]).await;
    // Its result holds line feeds between tokens no more than any other message.
    client.call_tool("x_demo_echo", &json!({"message": "two\nlines"})).await;
    let greeted = |line: &str| line.contains("mcpServers").then_some(());
    client.process().line("block for mcp.json", greeted).await;
    client.hang_up();
    assert_eq!(client.process().finished(DEADLINE).await.code(), Some(0));
    for line in client.process().stdout() {
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
    }
    let said = client.process().stderr().join("\n");
    assert!(said.contains(r#""type": "stdio""#) && said.contains(r#""serve""#), "{said}");
    assert!(!said.contains("listening on"), "{said}");
}

#[tokio::test]
async fn everything_that_was_asked_before_the_end_of_the_input_is_answered() {
    let config = config("");
    let mut client = RawDuplex::open_stdio(BINARY, config.path());
    let ping = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
    let pings: Vec<_> = (0..2000).map(ping).collect();
    client.send(pings.join("\n")).await;
    client.hang_up();
    for id in 0..2000 {
        let answer = client.message().await.expect("an answer");
        assert_eq!(member(&answer, "id"), Some(&*id.to_string()));
    }
    assert_eq!(client.message().await, None);
    assert_eq!(client.process().finished(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn a_client_that_closes_its_end_in_mid_call_still_gets_the_answer() {
    let config = config("");
    let (mut client, children) = calling(&config, 1500).await;
    client.hang_up();
    let answer = last(client, children).await;
    assert!(answer.contains("took 1500 ms"), "{answer}");
}

#[tokio::test]
async fn a_call_that_outlasts_its_client_and_the_drain_ends_with_an_error() {
    let config = config("http: {drain: 300ms}\n");
    let (mut client, children) = calling(&config, 20_000).await;
    client.hang_up();
    let answer = last(client, children).await;
    assert!(answer.contains("shutting down") && member(&answer, "error").is_some(), "{answer}");
}

#[tokio::test]
async fn sigterm_lets_calls_finish_and_nothing_new_begin() {
    let config = config("");
    let (mut client, children) = calling(&config, 2000).await;
    client.process().signal(Signal::TERM);
    let told = |line: &str| line.contains("shutting down").then_some(());
    client.process().line("word of the signal", told).await;
    let late = client.start("tools/list", &json!({})).await.to_string();
    let refused = loop {
        let message = client.answer_to_me().await;
        if member(&message, "id") == Some(&late) {
            break message;
        }
    };
    assert!(refused.contains("shutting down"), "{refused}");
    let answer = last(client, children).await;
    assert!(answer.contains("took 2000 ms"), "{answer}");
}

#[tokio::test]
async fn a_client_that_reads_no_more_ends_the_gateway() {
    let config = config("");
    let mut command = Gateway::command(BINARY, config.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a gateway");
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    writeln!(stdin, "{HELLO}").expect("it reads");
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut String::new()).expect("its answer");
    let children = children(child.id());
    drop(stdout);
    writeln!(stdin, r#"{{"jsonrpc":"2.0","id":2,"method":"ping"}}"#).expect("it reads");
    let pid = child.id();
    until("the end of the gateway", || !is_running(pid)).await;
    assert_eq!(child.wait().expect("it has ended").code(), Some(0));
    for child in children {
        until("no child is left behind", || !is_running(child)).await;
    }
}

#[tokio::test]
async fn gateways_of_several_clients_do_not_get_into_each_others_way() {
    let config = config("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let mut client = RawDuplex::open_stdio_with(BINARY, config.path(), |command| {
        command.env("PORTCULLIS_METRICS_PORT", port);
    });
    client.initialize("2025-11-25", &json!({})).await;
    let told = |line: &str| line.contains("there are no metrics of this gateway").then_some(());
    client.process().line("word of the port", told).await;
}
