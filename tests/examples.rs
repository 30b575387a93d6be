//! The example configurations, started: each does what its comments say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_test_support::wire::Request;
use portcullis_test_support::{Backend, Gateway, Peers, RawClient};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The names of the tools that `tools/list` shows.
async fn tools(client: &RawClient) -> Vec<String> {
    let list = client.call("tools/list", &json!({})).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let tools = list["result"]["tools"].as_array().expect("tools");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn quickstart_lists_what_leads_to_the_tools_of_both_servers() {
    let gateway = Gateway::start_with(BINARY, Path::new("config/quickstart"), |command| {
        command.env_remove("PORTCULLIS_AGGREGATOR_EXPOSURE");
    })
    .await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    assert!(tools(&client).await.contains(&"call_tool".to_owned()));
    for tool in ["x_alpha_echo", "x_beta_echo"] {
        let call = json!({"name": tool, "arguments": {"message": "hello from there"}});
        let answer = client.call_tool("call_tool", &call).await;
        assert!(answer.contains("hello from there"), "{answer}");
    }
}

#[tokio::test]
async fn families_exposes_the_tools_of_two_servers_once() {
    let gateway = Gateway::start(BINARY, Path::new("config/families")).await;
    let client = gateway.client_that_sees(&["x_cluster_echo", "x_lone_echo", "call_tool"]).await;
    let names = tools(&client).await;
    assert!(!names.iter().any(|name| name.contains("east") || name.contains("west")), "{names:?}");
    let arguments = json!({"cluster": "west", "message": "hello"});
    let answer = client.call_tool("x_cluster_echo", &arguments).await;
    assert!(answer.contains("hello"), "{answer}");
    let answer = client.call_tool("x_cluster_echo", &json!({"message": "hello"})).await;
    assert!(answer.contains("servers east, west"), "{answer}");
}

/// Puts a command into `directory` that runs `line` and drops its first `skipped` arguments: what
/// `npx` and `uvx` do with a package that is installed already.
fn command(directory: &Path, name: &str, cases: &[(&str, &[String])]) {
    let mut script = "#!/bin/sh\ncase \"$*\" in\n".to_owned();
    for (package, line) in cases {
        let words: Vec<_> = line.iter().map(|word| format!("'{word}'")).collect();
        let drop = "while [ \"$1\" != \"$package\" ]; do shift; done; shift";
        let words = words.join(" ");
        let case = format!("*'{package}'*) package='{package}'; {drop}; exec {words} \"$@\" ;;\n");
        script.push_str(&case);
    }
    script.push_str("esac\n");
    let path = directory.join(name);
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
}

#[tokio::test]
async fn laptop_reaches_files_a_repository_and_a_memory() {
    let Some(peers) = Peers::installed() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let filesystem = peers.filesystem_stdio(home.path());
    let git = peers.git_stdio(home.path());
    let memory = peers.memory_stdio();
    command(
        home.path(),
        "npx",
        &[
            ("@modelcontextprotocol/server-filesystem", &filesystem[..filesystem.len() - 1]),
            ("@modelcontextprotocol/server-memory", &memory),
        ],
    );
    command(home.path(), "uvx", &[("mcp-server-git", &git[..1])]);
    let path = std::env::var("PATH").expect("PATH");
    let path = format!("{}:{path}", home.path().display());
    let gateway = Gateway::start_with(BINARY, Path::new("config/laptop"), |command| {
        command.env("PATH", path).env("HOME", home.path());
    })
    .await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    let call = async |name: &str, arguments: Value| {
        client.call_tool("call_tool", &json!({"name": name, "arguments": arguments})).await
    };
    // A call does not wait for a first start.
    gateway.until_connected().await;

    let files = call("x_fs_list_directory", json!({"path": "."})).await;
    assert!(files.contains("notes.txt"), "{files}");
    let log = call("x_git_log", json!({"repo_path": ".", "max_count": 1})).await;
    assert!(log.contains("Commit"), "{log}");
    let reset = call("x_git_reset", json!({"repo_path": "."})).await;
    assert!(reset.contains("denylist.block"), "{reset}");
    let entity = json!({"name": "Ada", "entityType": "person", "observations": ["likes gates"]});
    call("x_memory_create_entities", json!({"entities": [entity]})).await;
    let graph = call("x_memory_read_graph", json!({})).await;
    assert!(graph.contains("likes gates"), "{graph}");
    assert!(home.path().join(".portcullis-memory.jsonl").exists());
}

#[tokio::test]
async fn container_is_reached_from_outside_and_opens_sessions_of_its_replicas() {
    let Some(peers) = Peers::installed() else { return };
    let backend = Backend::everything_http(&peers).await;
    let secrets = tempfile::tempdir().expect("a directory");
    let key = secrets.path().join("session.key");
    fs::write(&key, "00112233445566778899aabbccddeeff".repeat(2)).expect("a key");
    let replica = async || {
        Gateway::start_with(BINARY, Path::new("config/container"), |command| {
            command.env("SESSION_KEY_FILE", &key).env("TICKETS_URL", backend.url());
        })
        .await
    };
    let (one, other) = (replica().await, replica().await);
    // All of 127.0.0.0/8 is this machine: an address that nobody would bind by chance.
    let outside = |url: &str| url.replace("0.0.0.0", "127.0.0.2");
    let mut metrics = Request::new("GET", &outside(one.metrics_url())).send().await;
    assert!(metrics.text().await.contains("portcullis_build_info"));

    let client = RawClient::connect(&outside(one.url()), &json!({})).await;
    client.call_tool("list_tools", &json!({})).await;
    let elsewhere = Request::new("POST", &outside(other.url()))
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("Mcp-Session-Id", client.session().expect("a session"))
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .send()
        .await;
    assert_eq!(elsewhere.status, 200, "the other replica has the same key");
}
