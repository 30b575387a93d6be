//! Short runs through the real gateway: every call is answered, whatever is called and however, and what is wrong is an error.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis_loadtest::report::{HoldReport, Report};
use portcullis_test_support::{ConfigDir, Gateway, Process};
use serde::de::DeserializeOwned;
use serde_json::json;

const CALLS: u64 = 200;
const DEADLINE: Duration = Duration::from_mins(1);

/// The gateway's binary. Cargo names only the binaries of a test's own package, and an artifact dependency is not
/// stable, but those of a workspace are built side by side, and `cargo test --workspace` builds all before any test.
fn portcullis() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_portcullis-loadtest")).with_file_name("portcullis");
    assert!(path.is_file(), "{} is missing: run cargo build first", path.display());
    path
}

async fn gateway(config: &ConfigDir) -> Gateway {
    Gateway::start(portcullis().to_str().expect("UTF-8"), config.path()).await
}

fn demo_server() -> Vec<String> {
    vec!["portcullis".to_owned(), "demo-server".to_owned()]
}

/// A raw backend and the URL of its endpoint.
async fn raw_backend(options: &[&str]) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raw-backend"));
    command.args(options);
    let backend = Process::spawn("raw-backend", command);
    let address = |line: &str| Some(line.strip_prefix("listening on ")?.to_owned());
    let url = format!("http://{}/mcp", backend.line("address", address).await);
    (backend, url)
}

/// A raw backend and a gateway that knows it as `raw0` and as `raw1`.
async fn raw_backends(options: &[&str]) -> (Process, Gateway) {
    let (backend, url) = raw_backend(options).await;
    let config = ConfigDir::new().http("raw0", &url, &json!({})).http("raw1", &url, &json!({}));
    let gateway = gateway(&config).await;
    gateway.client_that_sees(&["x_raw0_tool1", "x_raw1_tool1"]).await;
    (backend, gateway)
}

/// The load test with these arguments, for an endpoint.
fn loadtest(subcommand: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-loadtest"));
    command.env_remove("LOADTEST_BEARER");
    command.args([subcommand, "--json", "--url", url]).args(arguments);
    command
}

/// Its exit code, and what it says in the end.
async fn outcome<R: DeserializeOwned>(mut run: Process) -> (Option<i32>, R) {
    let status = run.finished(DEADLINE).await;
    let report = serde_json::from_str(&run.stdout().concat());
    (status.code(), report.unwrap_or_else(|_| panic!("{}", run.output())))
}

async fn call(url: &str, arguments: &[&str]) -> (Option<i32>, Report) {
    let command = loadtest("call", url, &[&["--connections", "8"], arguments].concat());
    outcome(Process::spawn("portcullis-loadtest", command)).await
}

/// The report of so many calls that are all answered.
async fn answered(url: &str, arguments: &[&str]) -> Report {
    let calls = CALLS.to_string();
    let (code, report) = call(url, &[&["--calls", &calls], arguments].concat()).await;
    assert_eq!((code, report.errors, report.calls), (Some(0), 0, CALLS), "{report}");
    assert!(report.p50_us <= report.p99_us && report.p99_us <= report.max_us, "{report}");
    report
}

#[tokio::test]
async fn every_call_to_a_server_on_stdio_is_answered() {
    let config = ConfigDir::new().stdio("demo", &demo_server(), &json!({}));
    let gateway = gateway(&config).await;
    gateway.client_that_sees(&["x_demo_echo"]).await;
    answered(gateway.url(), &["--tool", "x_demo_echo"]).await;
}

#[tokio::test]
async fn every_call_to_a_server_over_http_is_answered() {
    let mut command = Command::new(portcullis());
    command.args(["demo-server", "--http", "127.0.0.1:0"]);
    let server = Process::spawn("portcullis demo-server", command);
    let url = server.line("URL", |line| Some(line[line.find("http://")?..].to_owned())).await;
    let url = url.split_whitespace().next().expect("a URL");
    let gateway = gateway(&ConfigDir::new().http("demo", url, &json!({}))).await;
    gateway.client_that_sees(&["x_demo_echo"]).await;
    answered(gateway.url(), &["--tool", "x_demo_echo"]).await;
}

#[tokio::test]
async fn every_call_to_tools_of_several_backends_is_answered_and_measured() {
    let (_backend, gateway) = raw_backends(&[]).await;
    let pid = gateway.process().pid().to_string();
    let tools = ["--tool", "x_raw{0..1}_tool{0..19}", "--sessions", "20", "--pid", &pid];
    let report = answered(gateway.url(), &tools).await;
    let usage = report.processes.expect("the gateway was measured");
    assert!(usage.cpu_us_per_call > 1.0, "{report}");
    assert!(usage.rss_before_bytes > 1_000_000, "{report}");
    assert!(usage.peak_rss_bytes >= usage.rss_after_bytes, "{report}");
    answered(gateway.url(), &["--tool", "x_raw1_tool1", "--method", "call-tool"]).await;
    let list = answered(gateway.url(), &["--method", "list"]).await;
    assert!(list.received_bytes_per_second > 1000.0 * list.calls_per_second, "{list}");
}

#[tokio::test]
async fn large_messages_come_back_whole_and_streams_are_counted() {
    let (_backend, gateway) = raw_backends(&["--events", "5", "--size", "2000"]).await;
    let tool = ["--tool", "x_raw0_tool0", "--request-size"];
    let report = answered(gateway.url(), &[&tool[..], &["100000"]].concat()).await;
    assert_eq!(report.events, 5 * CALLS, "{report}");
    assert!(report.received_bytes_per_second > 100_000.0 * report.calls_per_second, "{report}");
    let calls = ["--calls", "8", "--method", "call-tool"];
    let (code, report) = call(gateway.url(), &[&tool[..], &["1000000"], &calls].concat()).await;
    assert_eq!((code, report.errors, report.calls), (Some(0), 0, 8), "{report}");
}

#[tokio::test]
async fn an_open_loop_sends_at_its_rate_and_its_warm_up_does_not_count() {
    let (_backend, gateway) = raw_backends(&["--delay", "5"]).await;
    let tool = ["--tool", "x_raw0_tool0", "--rate", "100"];
    let time = ["--warmup", "200ms", "--duration", "1s"];
    let (code, report) = call(gateway.url(), &[&tool[..], &time].concat()).await;
    assert_eq!((code, report.errors, report.calls + report.unsent), (Some(0), 0, 100), "{report}");
    assert!(report.p50_us >= 5000.0, "{report}");
    let last = report.distribution.last().expect("percentiles");
    assert!((last.latency_us - report.max_us).abs() < f64::EPSILON, "{report}");
}

#[tokio::test]
async fn an_error_fails_the_run_but_does_not_end_it() {
    let config = ConfigDir::new().stdio("demo", &demo_server(), &json!({}));
    let gateway = gateway(&config).await;
    gateway.client_that_sees(&["x_demo_fail"]).await;
    let (code, report) = call(gateway.url(), &["--tool", "x_demo_fail", "--calls", "20"]).await;
    assert_eq!((code, report.calls, report.errors), (Some(1), 0, 20), "{report}");
    assert_eq!(report.error_messages.len(), 1, "{report}");

    let (_backend, url) = raw_backend(&["--error-every", "4"]).await;
    let (code, report) = call(&url, &["--tool", "tool0", "--calls", "20"]).await;
    assert_eq!((code, report.calls, report.errors), (Some(1), 15, 5), "{report}");
}

#[tokio::test]
async fn a_bearer_token_lets_in_and_a_wrong_one_is_an_error() {
    let made = Command::new(portcullis()).args(["token", "new", "load"]).output();
    let made = String::from_utf8(made.expect("the command").stdout).expect("UTF-8");
    let (token, line) = made.trim_end().split_once('\n').expect("two lines");
    let auth = format!("auth:\n  mode: tokens\n  tokens:\n    {line}\n");
    let config = ConfigDir::new()
        .config(&format!("aggregator: {{exposure: meta}}\n{auth}"))
        .file("right", token)
        .file("wrong", "pct_wrong");
    let gateway = gateway(&config).await;
    let run_with = |name: &str| {
        let mut command = loadtest("call", gateway.url(), &["--method", "list", "--calls", "20"]);
        command.arg("--bearer-file").arg(config.path().join(name));
        Process::spawn(&format!("portcullis-loadtest with the {name} token"), command)
    };
    let (code, report) = outcome::<Report>(run_with("right")).await;
    assert_eq!((code, report.errors, report.calls), (Some(0), 0, 20), "{report}");
    let mut wrong = run_with("wrong");
    assert_eq!(wrong.finished(DEADLINE).await.code(), Some(1), "{}", wrong.output());
    assert!(wrong.stderr().concat().contains("401"), "{}", wrong.output());
}

#[tokio::test]
async fn sessions_and_streams_are_held_until_stdin_ends() {
    let (_backend, gateway) = raw_backends(&[]).await;
    let pid = gateway.process().pid().to_string();
    let hold = ["--sessions", "50", "--connections", "4", "--pid", &pid];
    let command = loadtest("hold", gateway.url(), &hold);
    let (run, stdin) = Process::spawn_to_talk("portcullis-loadtest", command);
    run.line("word that it holds", |line| line.contains("everything is open").then_some(())).await;
    drop(stdin);
    let (code, report) = outcome::<HoldReport>(run).await;
    assert_eq!((code, report.streams, report.streams_at_end), (Some(0), 50, 50), "{report}");
    let usage = report.processes.expect("the gateway was measured");
    assert!(usage.rss_before_bytes > 1_000_000, "{report}");

    let hold = ["--sessions", "50", "--without-streams", "--duration", "10ms"];
    let command = loadtest("hold", gateway.url(), &hold);
    let run = Process::spawn("portcullis-loadtest", command);
    let (code, report) = outcome::<HoldReport>(run).await;
    assert_eq!((code, report.sessions, report.streams), (Some(0), 50, 0), "{report}");
}
