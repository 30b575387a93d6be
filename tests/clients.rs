//! Clients and servers nobody here wrote, with the gateway between them.

use std::process::Command;

use portcullis_test_support::{Backend, Client, ConfigDir, Gateway, Peers};
use serde_json::{Value, json};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";

fn text(report: &Value) -> &str {
    report["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{report:#}"))
}

#[tokio::test]
async fn every_client_calls_a_tool_through_the_gateway() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let config = ConfigDir::new().config(NATIVE).http("everything", everything.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_everything_echo"]).await;
    for client in Client::ALL {
        let arguments = json!({"message": "Grüße"});
        let report = client.run(&peers, gateway.url(), "x_everything_echo", &arguments).await;
        assert_eq!(report["ok"], true, "{client:?}: {report:#}");
        assert_eq!(text(&report), "Echo: Grüße", "{client:?}");
        let url = gateway.server_url("everything");
        let report = client.run(&peers, &url, "echo", &arguments).await;
        assert_eq!(report["ok"], true, "{client:?} at its own endpoint: {report:#}");
        assert_eq!(text(&report), "Echo: Grüße", "{client:?} at its own endpoint");
    }
}

#[tokio::test]
async fn servers_of_every_sdk_answer_over_http() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        ("tsv2", Backend::ts_v2_http(&peers).await),
        ("pyv1", Backend::py_v1_http(&peers).await),
        ("pyv2", Backend::py_v2_http(&peers).await),
    ];
    let config = servers.iter().fold(ConfigDir::new().config(NATIVE), |config, (name, server)| {
        config.http(name, server.url(), &json!({}))
    });
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_tsv2_add", "x_pyv1_add", "x_pyv2_add"]).await;
    for (name, _) in &servers {
        let report = Client::TsV1
            .run(&peers, gateway.url(), &format!("x_{name}_add"), &json!({"a": 2, "b": 40}))
            .await;
        assert_eq!(text(&report), "42", "{name}");
    }
}

#[tokio::test]
async fn reference_servers_answer_over_stdio() {
    let Some(peers) = Peers::installed() else { return };
    let files = TempDir::new().expect("a temporary directory");
    std::fs::write(files.path().join("note.txt"), "a note").expect("a file to read");
    let init = Command::new("git").args(["init", "--quiet"]).current_dir(files.path()).status();
    assert!(init.is_ok_and(|status| status.success()), "git init");
    let path = files.path().to_str().expect("a UTF-8 path");
    let none = json!({});
    let config = ConfigDir::new()
        .config(NATIVE)
        .stdio("everything", &peers.everything_stdio(), &none)
        .stdio("files", &peers.filesystem_stdio(files.path()), &none)
        .stdio("memory", &peers.memory_stdio(), &none)
        .stdio("time", &peers.time_stdio(), &none)
        .stdio("git", &peers.git_stdio(files.path()), &none);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let table = [
        ("x_everything_get-sum", json!({"a": 2, "b": 40}), "42"),
        ("x_files_read_text_file", json!({"path": format!("{path}/note.txt")}), "a note"),
        ("x_memory_read_graph", json!({}), "entities"),
        ("x_time_get_current_time", json!({"timezone": "UTC"}), "UTC"),
        ("x_git_status", json!({"repo_path": path}), "note.txt"),
    ];
    gateway.client_that_sees(&table.each_ref().map(|(tool, ..)| *tool)).await;
    for (tool, arguments, wanted) in table {
        let report = Client::PyV1.run(&peers, gateway.url(), tool, &arguments).await;
        assert!(text(&report).contains(wanted), "{tool}: {report:#}");
    }
}
