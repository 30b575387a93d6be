//! How the gateway starts to listen and how it stops.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use portcullis_test_support::wire::{Connection, Request, Url};
use portcullis_test_support::{
    Backend, ConfigDir, DEADLINE, Exchange, Gateway, Peers, Process, RawClient, Signal, is_running,
    member, until, within,
};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// A slow call whose stream has begun.
async fn streaming(client: &RawClient, ms: u64) -> Exchange {
    let params = json!({
        "name": "x_demo_slow",
        "arguments": {"ms": ms},
        "_meta": {"progressToken": "p"},
    });
    let mut exchange = client.start("tools/call", &params).await;
    let first = exchange.message().await.expect("progress");
    assert_eq!(member(&first, "method"), Some(r#""notifications/progress""#));
    exchange
}

#[tokio::test]
async fn sigterm_lets_calls_finish_and_takes_leave_of_everybody() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let config =
        ConfigDir::new().stdio("demo", &demo(), &json!({})).http("web", web.url(), &json!({}));
    let mut gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_slow", "x_web_echo"]).await;
    client.call_tool("x_web_echo", &json!({"message": "a session at the backend"})).await;
    let children = gateway.children();
    assert!(!children.is_empty());
    let mut listening = client.listen().await;
    let authority = Url::parse(gateway.url()).authority;
    let mut call = streaming(&client, 3000).await;

    gateway.process().signal(Signal::TERM);
    let mut last = None;
    while let Some(event) = within("the end of the GET stream", listening.event()).await {
        last = Some(event);
    }
    assert!(last.is_some_and(|event| event.retry.is_some()), "the client knows when to come back");
    let mut ready =
        Request::new("GET", &format!("{}/ready", gateway.metrics_origin())).send().await;
    assert_eq!((ready.status, &*ready.text().await), (503, r#"{"status":"draining"}"#));
    until("nobody new gets in", || TcpStream::connect(&authority).is_err()).await;

    let answer = call.response_message().await;
    assert!(answer.contains("took 3000 ms"), "{answer}");
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
    web.process().line("a DELETE", |line| line.starts_with("deleted ").then_some(())).await;
    for child in children {
        until("the child is gone", || !is_running(child)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_the_gateway_stops() {
    let mut gateway = Gateway::start(BINARY, ConfigDir::new().path()).await;
    let idle = Connection::open(&Url::parse(gateway.url()).authority).await;
    let mut used = Request::new("GET", &format!("{}/health", gateway.origin())).send().await;
    used.bytes().await;
    gateway.process().signal(Signal::TERM);
    idle.closed().await;
    used.into_connection().closed().await;
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn calls_that_outlast_the_drain_get_an_error_as_their_last_word() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let config = ConfigDir::new()
        .config("http: {drain: 300ms}\n")
        .stdio("demo", &demo(), &json!({}))
        .http("web", web.url(), &json!({}));
    let mut gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_slow", "x_web_hang"]).await;
    let mut stream = streaming(&client, 8_000).await;
    let nothing = json!({});
    let silent = client.call_tool("x_web_hang", &nothing);
    let stop = async {
        let called = |line: &str| (line == "hanging").then_some(());
        web.process().line("word that the silent call has arrived", called).await;
        gateway.process().signal(Signal::TERM);
    };
    let (silent, ()) = tokio::join!(silent, stop);
    for answer in [silent, stream.response_message().await] {
        assert!(answer.contains("shutting down"), "{answer}");
        assert!(member(&answer, "error").is_some(), "{answer}");
    }
    assert_eq!(within("the end of the stream", stream.message()).await, None);
    assert_eq!(gateway.process_mut().finished(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_exits_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let config = ConfigDir::new().stdio("demo", &demo(), &json!({}));
        let mut gateway = Gateway::start(BINARY, config.path()).await;
        let client = gateway.client_that_sees(&["x_demo_slow"]).await;
        let _call = streaming(&client, 8_000).await;
        let children = gateway.children();
        gateway.process().signal(Signal::TERM);
        let told = |line: &str| line.contains("a second signal exits at once").then_some(());
        gateway.process().line("word of the first signal", told).await;
        gateway.process().signal(signal);
        let status = gateway.process_mut().finished(Duration::from_secs(5)).await;
        assert_eq!(status.code(), Some(code));
        for child in children {
            until("no child is left behind", || !is_running(child)).await;
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_start_with_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    for (variable, key) in [
        ("PORTCULLIS_AGGREGATOR_PORT", "aggregator.port"),
        ("PORTCULLIS_METRICS_PORT", "metrics.port"),
    ] {
        let config = ConfigDir::new();
        let mut command = Gateway::command(BINARY, config.path());
        command.env(variable, port.to_string());
        let mut process = Process::spawn("portcullis serve", command);
        assert_eq!(process.finished(DEADLINE).await.code(), Some(1), "{key}");
        let said = process.stderr().join("\n");
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{key}: {said}");
        assert!(said.contains(key), "{key}: {said}");
        assert!(said.to_lowercase().contains("in use"), "{key}: {said}");
    }
}

/// Hands a socket over to what a command starts.
fn activate(peers: &Peers, command: &mut Command) {
    let mut activated = Command::new(peers.path("venvs/mcp-v1/bin/python"));
    activated.args(["-c", ACTIVATE, BINARY]).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => activated.env(name, value),
            None => activated.env_remove(name),
        };
    }
    *command = activated;
}

/// What systemd does: a listening socket as descriptor 3, and variables that say so.
const ACTIVATE: &str = "
import os, socket, sys
s = socket.socket()
s.bind((os.environ.pop('SOCKET_HOST', '127.0.0.1'), 0))
s.listen(16)
print('port', s.getsockname()[1], flush=True)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='mcp', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[tokio::test]
async fn a_socket_of_systemd_is_served_instead_of_the_configured_address() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().stdio("demo", &demo(), &json!({}));
    let gateway =
        Gateway::start_with(BINARY, config.path(), |command| activate(&peers, command)).await;
    let port = gateway
        .process()
        .line("the port of the socket", |line| line.strip_prefix("port ").map(str::to_owned))
        .await;
    assert_eq!(gateway.url(), format!("http://127.0.0.1:{port}/mcp"));
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    let answer = client.call_tool("x_demo_echo", &json!({"message": "activated"})).await;
    assert!(answer.contains("activated"), "{answer}");
}

#[tokio::test]
async fn a_socket_of_systemd_lets_strangers_in_only_if_they_are_asked_who_they_are() {
    let Some(peers) = Peers::installed() else { return };
    let oauth = "auth: {mode: oauth, issuers: [{issuer: 'https://id.example'}]}\n";
    for (config, said) in [
        ("", "let others in, and auth.mode none asks nobody who they are"),
        (oauth, "let others in, and anybody could say in a Host header which audience"),
    ] {
        let config = ConfigDir::new().config(config);
        let mut command = Gateway::command(BINARY, config.path());
        command.env("SOCKET_HOST", "0.0.0.0");
        activate(&peers, &mut command);
        let mut process = Process::spawn("portcullis serve", command);
        assert_eq!(process.finished(DEADLINE).await.code(), Some(1));
        assert!(process.output().contains(said), "{}", process.output());
    }
}

#[tokio::test]
async fn a_socket_of_systemd_and_a_gateway_that_listens_to_nobody_do_not_go_together() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().config("aggregator: {transport: stdio}\n");
    let mut command = Gateway::command(BINARY, config.path());
    activate(&peers, &mut command);
    let mut process = Process::spawn("portcullis serve", command);
    assert_eq!(process.finished(DEADLINE).await.code(), Some(1));
    assert!(process.output().contains("without socket activation"), "{}", process.output());
}
