//! Whatever way a client comes in, the same is decided about its calls.

use portcullis_test_support::scenes::demo;
use portcullis_test_support::{ConfigDir, Gateway, Peers, RawClient, RawDuplex, member};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const CONFIG: &str = "\
metrics: {port: 0}
aggregator: {exposure: both}
catalogue: {firstListWait: 20s}
denylist:
  block: [{backend: lone, tool: add}]
toolLimits:
  - {backend: lone, tool: echo, perSecond: 0.001, burst: 1}
";

enum Client {
    Http(RawClient),
    Duplex(RawDuplex),
}

impl Client {
    async fn call(&mut self, name: &str, arguments: &Value) -> String {
        match self {
            Self::Http(client) => client.call_tool(name, arguments).await,
            Self::Duplex(client) => client.call_tool(name, arguments).await,
        }
    }

    /// As [`Client::call`], through `call_tool`.
    async fn call_spelled(&mut self, name: &str, arguments: &Value) -> String {
        self.call("call_tool", &json!({"name": name, "arguments": arguments})).await
    }
}

/// A gateway with two members of a family, one server that is in none, and one with all kinds of
/// content.
fn config(peers: &Peers) -> ConfigDir {
    let line = demo();
    let (command, args) = line.split_first().expect("a command");
    let member = json!({
        "type": "stdio", "command": command, "args": args, "autoStart": true,
        "family": {"name": "cluster", "instanceArg": "cluster"},
    });
    ConfigDir::new()
        .config(CONFIG)
        .server("east", &member)
        .server("west", &member)
        .stdio("lone", &line, &json!({}))
        .stdio("every", &peers.everything_stdio(), &json!({}))
}

async fn assert_decided_as_everywhere(way: &str, client: &mut Client) {
    client.call("list_tools", &json!({})).await; // waits for first starts
    for (name, arguments, said) in [
        ("x_cluster_echo", json!({"cluster": "west", "message": "to the west"}), "to the west"),
        ("x_cluster_echo", json!({"message": "nowhere"}), "family on servers east, west"),
        ("x_cluster_echo", json!({"cluster": "north", "message": "a"}), "available: east, west"),
        ("x_lone_add", json!({"a": 1, "b": 2}), "denylist.block"),
        ("x_lone_nothing", json!({}), "tool not found: x_lone_nothing"),
    ] {
        let native = client.call(name, &arguments).await;
        assert!(native.contains(said), "{way}: {name} {arguments}: {native}");
        let spelled = client.call_spelled(name, &arguments).await;
        assert!(spelled.contains(said), "{way}: call_tool {name} {arguments}: {spelled}");
    }
    let once = json!({"message": "once"});
    let first = client.call("x_lone_echo", &once).await;
    assert!(first.contains("\"once\""), "{way}: {first}");
    let second = client.call("x_lone_echo", &once).await;
    assert!(second.contains("-31008") && second.contains("retryAfter"), "{way}: {second}");

    let native = client.call("x_every_get-tiny-image", &json!({})).await;
    let native: Value = serde_json::from_str(&native).expect("JSON");
    let spelled = client.call_spelled("x_every_get-tiny-image", &json!({})).await;
    let result = member(&spelled, "result").unwrap_or_else(|| panic!("{way}: {spelled}"));
    let result: Value = serde_json::from_str(result).expect("JSON");
    let inner = result["content"][0]["text"].as_str().expect("a text");
    let inner: Value = serde_json::from_str(inner).expect("JSON");
    assert_eq!(inner["content"], native["result"]["content"], "{way}");
    let is_image = |item: &Value| item["type"] == "image" && item["data"].is_string();
    assert!(inner["content"].as_array().expect("content").iter().any(is_image), "{way}: {inner}");
}

#[tokio::test]
async fn calls_are_decided_alike_over_streamable_http() {
    let Some(peers) = Peers::installed() else { return };
    let config = config(&peers);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    assert_decided_as_everywhere("http", &mut Client::Http(client)).await;
}

#[tokio::test]
async fn calls_are_decided_alike_over_http_and_sse() {
    let Some(peers) = Peers::installed() else { return };
    let config = config(&peers);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let mut client = RawDuplex::open_sse(&gateway.sse_url()).await;
    client.initialize("2024-11-05", &json!({})).await;
    assert_decided_as_everywhere("sse", &mut Client::Duplex(client)).await;
}

#[tokio::test]
async fn calls_are_decided_alike_over_stdio() {
    let Some(peers) = Peers::installed() else { return };
    let config = config(&peers);
    let mut client = RawDuplex::open_stdio(BINARY, config.path());
    client.initialize("2025-11-25", &json!({})).await;
    assert_decided_as_everywhere("stdio", &mut Client::Duplex(client)).await;
}
