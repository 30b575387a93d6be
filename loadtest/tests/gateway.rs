//! A short run through the real gateway, in front of the demo server over each transport: every call is answered.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis_test_support::{ConfigDir, Gateway, Process};
use serde_json::{Value, json};

const CALLS: u64 = 200;
const DEADLINE: Duration = Duration::from_mins(1);

/// The gateway's binary. Cargo names only the binaries of a test's own package, and an artifact dependency is not
/// stable, but those of a workspace are built side by side, and `cargo test --workspace` builds all before any test.
fn portcullis() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_portcullis-loadtest")).with_file_name("portcullis");
    assert!(path.is_file(), "{} is missing: run cargo build first", path.display());
    path
}

fn demo_server() -> Vec<String> {
    vec!["portcullis".to_owned(), "demo-server".to_owned()]
}

/// What the load test says about a run.
async fn run(url: &str, tool: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-loadtest"));
    command.args(["call", "--url", url, "--tool", tool, "--connections", "8", "--json"]);
    command.args(["--calls", &CALLS.to_string()]);
    let mut run = Process::spawn("portcullis-loadtest", command);
    let status = run.finished(DEADLINE).await;
    assert!(status.success(), "{}", run.output());
    serde_json::from_str(&run.stdout().concat()).unwrap_or_else(|_| panic!("{}", run.output()))
}

async fn every_call_is_answered(config: &ConfigDir) {
    let binary = portcullis();
    let gateway = Gateway::start(binary.to_str().expect("UTF-8"), config.path()).await;
    gateway.client_that_sees(&["x_demo_echo"]).await;
    let report = run(gateway.url(), "x_demo_echo").await;
    assert_eq!(report["calls"], CALLS, "{report}\n{}", gateway.process().output());
    assert_eq!(report["errors"], 0, "{report}\n{}", gateway.process().output());
}

#[tokio::test]
async fn every_call_to_a_server_on_stdio_is_answered() {
    every_call_is_answered(&ConfigDir::new().stdio("demo", &demo_server(), &json!({}))).await;
}

#[tokio::test]
async fn every_call_to_a_server_over_http_is_answered() {
    let mut command = Command::new(portcullis());
    command.args(["demo-server", "--http", "127.0.0.1:0"]);
    let server = Process::spawn("portcullis demo-server", command);
    let url = server.line("URL", |line| Some(line[line.find("http://")?..].to_owned())).await;
    let url = url.split_whitespace().next().expect("a URL");
    every_call_is_answered(&ConfigDir::new().http("demo", url, &json!({}))).await;
}

#[tokio::test]
async fn an_error_fails_the_run() {
    let config = ConfigDir::new().stdio("demo", &demo_server(), &json!({}));
    let binary = portcullis();
    let gateway = Gateway::start(binary.to_str().expect("UTF-8"), config.path()).await;
    gateway.client_that_sees(&["x_demo_fail"]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-loadtest"));
    command.args(["call", "--url", gateway.url(), "--tool", "x_demo_fail", "--calls", "1"]);
    let mut run = Process::spawn("portcullis-loadtest", command);
    let status = run.finished(DEADLINE).await;
    assert_eq!(status.code(), Some(1), "{}", run.output());
}
