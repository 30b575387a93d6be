//! Servers that stand for each other: their tools are exposed once, and an argument says whose is meant.

use portcullis_test_support::{
    ConfigDir, Gateway, Peers, RawClient, is_running, kill, member, until, within,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The JSON of a tool that looks something up.
fn look() -> Value {
    json!({
        "name": "look",
        "description": "Looks.",
        "inputSchema": {"type": "object", "properties": {"at": {}}, "required": ["at"]},
    })
}

fn bare(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

/// The `spec` of a server that offers these tools, with what else it says.
fn offering(peers: &Peers, tools: &[Value], more: &Value) -> Value {
    let line = peers.offer_stdio(&tools.iter().cloned().collect());
    let mut spec =
        json!({"type": "stdio", "command": line[0], "args": line[1..], "autoStart": true});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

fn family() -> Value {
    json!({"family": {"name": "clusters", "instanceArg": "cluster"}})
}

/// The members `one` and `two` of the family `clusters`, and `solo`, all with the tool `look`.
fn clusters(peers: &Peers, config: &str) -> ConfigDir {
    ConfigDir::new()
        .config(&format!("aggregator: {{exposure: native}}\n{config}"))
        .server("one", &offering(peers, &[look(), bare("pid")], &family()))
        .server("two", &offering(peers, &[look(), bare("pid"), bare("only_two")], &family()))
        .server("solo", &offering(peers, &[look()], &json!({})))
}

async fn started(config: &ConfigDir, servers: &[&str]) -> Gateway {
    let gateway = Gateway::start(BINARY, config.path()).await;
    for server in servers {
        let state = format!(r#"portcullis_backend_state{{backend="{server}",state="running""#);
        gateway.until_metric(&state, |running| running > 0.5).await;
    }
    gateway
}

/// The text of a tool's result.
fn text(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

async fn tool(client: &RawClient, name: &str) -> Option<Value> {
    let list: Value =
        serde_json::from_str(&client.call("tools/list", &json!({})).await).expect("JSON");
    let mut tools = list["result"]["tools"].as_array().expect("a list").iter();
    tools.find(|tool| tool["name"] == name).cloned()
}

/// Waits until this is who has the tool.
async fn until_instances(client: &RawClient, name: &str, instances: &[&str]) {
    within(&format!("{name} on {instances:?}"), async {
        loop {
            let tool = tool(client, name).await;
            let known = tool.map(|it| it["inputSchema"]["properties"]["cluster"]["enum"].clone());
            if known == Some(json!(instances)) {
                return;
            }
        }
    })
    .await;
}

/// Sends a call whose parameters are these very bytes, and gives what the server got.
async fn received(client: &RawClient, params: &str) -> Value {
    let body = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{params}}}"#);
    let mut response = client.post(body).await;
    let message = within("a response", async {
        match response.header("content-type") {
            Some(kind) if kind.starts_with("text/event-stream") => loop {
                let event = response.event().await.expect("a response");
                if let Some(message) = event.message() {
                    break message.to_owned();
                }
            },
            _ => response.text().await,
        }
    })
    .await;
    Value::String(text(&message))
}

#[tokio::test]
async fn a_tool_of_a_family_is_listed_once_and_called_by_instance() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = started(&clusters(&peers, ""), &["one", "two", "solo"]).await;
    // Nobody has listed anything yet.
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    let pid = async |cluster: &str| {
        text(&client.call_tool("x_clusters_pid", &json!({"cluster": cluster})).await)
    };
    let (one, two) = (pid("one").await, pid("two").await);
    assert_ne!(one, two);
    assert_eq!(pid("one").await, one);
    let spelled = json!({"name": "x_clusters_pid", "arguments": {"cluster": "two"}});
    let spelled = text(&client.call_tool("call_tool", &spelled).await);
    assert!(spelled.contains(&two), "{spelled}");

    let listed = tool(&client, "x_clusters_look").await.expect("it is listed");
    insta::assert_snapshot!(format!("{listed:#}"), @r#"
    {
      "name": "x_clusters_look",
      "description": "Looks. (available on servers: one, two)",
      "inputSchema": {
        "type": "object",
        "properties": {
          "at": {},
          "cluster": {
            "type": "string",
            "enum": [
              "one",
              "two"
            ],
            "description": "Target instance to execute this tool on. Available: one, two"
          }
        },
        "required": [
          "at",
          "cluster"
        ]
      }
    }
    "#);
    assert!(tool(&client, "x_one_look").await.is_none());
    let only = tool(&client, "x_clusters_only_two").await.expect("it is listed");
    assert_eq!(only["inputSchema"]["properties"]["cluster"]["enum"], json!(["two"]));
}

#[tokio::test]
async fn the_argument_is_taken_out_and_everything_else_arrives_as_it_was_sent() {
    let Some(peers) = Peers::installed() else { return };
    let gateway = started(&clusters(&peers, ""), &["one", "two", "solo"]).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    for (sent, arrives) in [
        (r#"{"cluster":"one"}"#, "{}"),
        (r#"{ "cluster" : "one" , "at" : 1.0e2 }"#, r#"{ "at" : 1.0e2 }"#),
        (
            r#"{"at":{"cluster":"two"}, "cluster":"\u006fne","z":["\ud83d\ude00",10000000000000000000000]}"#,
            r#"{"at":{"cluster":"two"},"z":["\ud83d\ude00",10000000000000000000000]}"#,
        ),
        (r#"{"b":1,"cluster":"one"}"#, r#"{"b":1}"#),
    ] {
        let params = format!(r#"{{"arguments":{sent},"name":"x_clusters_look","x":[ 1 ]}}"#);
        let got = received(&client, &params).await;
        let got = got.as_str().expect("a text");
        let expected = format!(r#""params":{{"arguments":{arrives},"name":"look","x":[ 1 ]}}"#);
        assert!(got.contains(&expected), "{sent}: {got}");
    }
    // Elsewhere the argument is the tool's own business.
    let own = RawClient::connect(&gateway.server_url("one"), &json!({})).await;
    for (client, name) in [(&client, "x_solo_look"), (&own, "look")] {
        let given = r#"{"cluster":"one", "at":1}"#;
        let got = received(client, &format!(r#"{{"name":"{name}","arguments":{given}}}"#)).await;
        assert!(got.as_str().expect("a text").contains(given), "{name}: {got}");
    }
}

#[tokio::test]
async fn an_instance_that_is_not_named_or_is_none_is_an_error_that_says_which_there_are() {
    let Some(peers) = Peers::installed() else { return };
    let mut stopped = offering(&peers, &[look()], &family());
    stopped["autoStart"] = json!(false);
    let config = clusters(&peers, "").server("stopped", &stopped);
    let gateway = started(&config, &["one", "two", "solo"]).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    let must = "the \"cluster\" parameter must be one of one, two";
    let required = "tool x_clusters_look is provided by a family on servers one, two; the \
                    \"cluster\" parameter is required";
    for (arguments, said) in [
        ("{}", required),
        (r#"{"at":"one"}"#, required),
        (r#"{"Cluster":"one"}"#, required),
        (r#"{"cluster":null}"#, must),
        (r#"{"cluster":5}"#, must),
        (r#"{"cluster":["one"]}"#, must),
        (
            r#"{"cluster":"three"}"#,
            "tool x_clusters_look is not available on server \"three\" (available: one, two)",
        ),
        (
            r#"{"cluster":"solo"}"#,
            "tool x_clusters_look is not available on server \"solo\" (available: one, two)",
        ),
        (r#"{"cluster":""}"#, "is not available on server \"\" (available: one, two)"),
        (r#"{"cluster":"stopped"}"#, "backend stopped is not available (stopped)"),
        (r#"{"cluster":"one","cluster":"two"}"#, "the \"cluster\" parameter stands there twice"),
        (
            r#"{"cluster":"one","clus\u0074er":"two"}"#,
            "the \"cluster\" parameter stands there twice",
        ),
        ("[]", "\"arguments\" is not an object"),
    ] {
        let call = |name: &str, arguments: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
            )
        };
        let answer = client.post(call("x_clusters_look", arguments)).await.text().await;
        let error = member(&answer, "error").unwrap_or_else(|| panic!("{arguments}: {answer}"));
        let error: Value = serde_json::from_str(error).expect("JSON");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(said), "{arguments}: {message}");
        if arguments.starts_with('{') {
            let spelled = format!(r#"{{"name":"x_clusters_look","arguments":{arguments}}}"#);
            let answer = client.post(call("call_tool", &spelled)).await.text().await;
            let quoted = json!(format!("Tool execution failed: {message}")).to_string();
            let quoted = json!(quoted).to_string();
            assert!(answer.contains(quoted.trim_matches('"')), "{arguments}: {answer}");
            assert!(answer.contains(r#""isError":true"#), "{arguments}: {answer}");
        }
    }
    let name = "x_clusters_look";
    for none in [json!({"name": name}), json!({"name": name, "arguments": null})] {
        let answer = client.call("tools/call", &none).await;
        assert!(answer.contains("parameter is required"), "{none}: {answer}");
    }
}

#[tokio::test]
async fn a_member_that_loses_a_tool_or_dies_is_no_instance_any_more() {
    let Some(peers) = Peers::installed() else { return };
    let config = clusters(&peers, "catalogue: {grace: 1s}\n");
    let gateway = started(&config, &["one", "two", "solo"]).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    until_instances(&client, "x_clusters_look", &["one", "two"]).await;
    let mut stream = client.listen().await;
    let own = RawClient::connect(&gateway.server_url("two"), &json!({})).await;
    let forgotten = own.call_tool("forget", &json!({"name": "look"})).await;
    assert!(forgotten.contains("forgotten"), "{forgotten}");
    within("news of the list", async {
        while let Some(event) = stream.event().await {
            if event.message().is_some_and(|it| it.contains("notifications/tools/list_changed")) {
                return;
            }
        }
        panic!("the stream ended");
    })
    .await;
    until_instances(&client, "x_clusters_look", &["one"]).await;
    until_instances(&client, "x_clusters_pid", &["one", "two"]).await;
    let answer = client.call_tool("x_clusters_look", &json!({"cluster": "two"})).await;
    assert!(answer.contains("(available: one)"), "{answer}");
    let answer = client.call_tool("x_clusters_look", &json!({"cluster": "one"})).await;
    assert!(text(&answer).contains("tools/call"), "{answer}");

    let pid = text(&client.call_tool("x_clusters_pid", &json!({"cluster": "one"})).await);
    let pid = pid.parse().expect("a process");
    kill(pid);
    until("the end of the member", || !is_running(pid)).await;
    // Whoever is quick still finds the tool, and hears what is the matter with its server.
    within("the state of the member", async {
        loop {
            let answer = client.call_tool("x_clusters_pid", &json!({"cluster": "one"})).await;
            if answer.contains("backend one is not available") {
                return;
            }
        }
    })
    .await;
    until_instances(&client, "x_clusters_pid", &["two"]).await;
    let answer = client.call_tool("x_clusters_pid", &json!({"cluster": "two"})).await;
    assert!(text(&answer).parse::<u32>().is_ok(), "the others go on: {answer}");
}

#[tokio::test]
async fn members_that_disagree_are_exposed_each_alone() {
    let Some(peers) = Peers::installed() else { return };
    let mut other = look();
    other["description"] = json!("Looks elsewhere.");
    let place = json!({"family": {"name": "places", "instanceArg": "place"}});
    let spot = json!({"family": {"name": "places", "instanceArg": "spot"}});
    let config = ConfigDir::new()
        .config("aggregator: {exposure: native}\n")
        .server("one", &offering(&peers, &[look(), bare("pid")], &family()))
        .server("two", &offering(&peers, &[other, bare("pid")], &family()))
        .server("here", &offering(&peers, &[bare("pid")], &place))
        .server("there", &offering(&peers, &[bare("pid")], &spot));
    let gateway = started(&config, &["one", "two", "here", "there"]).await;
    let alone = ["x_one_look", "x_two_look", "x_here_pid", "x_there_pid"];
    let client = gateway.client_that_sees(&alone).await;
    until_instances(&client, "x_clusters_pid", &["one", "two"]).await;
    assert!(tool(&client, "x_clusters_look").await.is_none());
    assert!(tool(&client, "x_places_pid").await.is_none());
    for name in alone {
        let answer = text(&client.call_tool(name, &json!({})).await);
        assert!(!answer.is_empty(), "{name}");
    }
    let said = |part: &'static str| move |line: &str| line.contains(part).then_some(());
    let log = gateway.process();
    log.line("a word about descriptions", said("its members describe it differently")).await;
    log.line("a word about arguments", said("different spec.family.instanceArg")).await;
}

#[tokio::test]
async fn members_with_a_process_for_each_session_are_called_by_instance_too() {
    let Some(peers) = Peers::installed() else { return };
    let mut own = family();
    own["gateway"] = json!({"isolation": "session"});
    let config = ConfigDir::new()
        .config("aggregator: {exposure: native}\n")
        .server("one", &offering(&peers, &[bare("pid"), look()], &own))
        .server("two", &offering(&peers, &[bare("pid"), look()], &own));
    let gateway = started(&config, &["one", "two"]).await;
    let mine = RawClient::connect(gateway.url(), &json!({})).await;
    let theirs = RawClient::connect(gateway.url(), &json!({})).await;
    let pid = async |client: &RawClient, cluster: &str| {
        text(&client.call_tool("x_clusters_pid", &json!({"cluster": cluster})).await)
    };
    let mut seen = Vec::new();
    for client in [&mine, &theirs] {
        until_instances(client, "x_clusters_pid", &["one", "two"]).await;
        for cluster in ["one", "two"] {
            let process = pid(client, cluster).await;
            assert_eq!(pid(client, cluster).await, process, "a session keeps its process");
            seen.push(process);
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each session has its own of each member");
}
