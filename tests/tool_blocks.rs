//! The denylist, the rules of the configuration and `core_tool_block`: what they block is in no list and cannot be called
//! by any name.

use std::fmt::Write as _;

use portcullis_test_support::{ConfigDir, Gateway, Peers, RawClient, RawDuplex, member, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

fn offer(peers: &Peers, tools: &[&str]) -> Vec<String> {
    let tool = |name: &&str| json!({"name": name, "inputSchema": {"type": "object"}});
    peers.offer_stdio(&tools.iter().map(tool).collect())
}

fn spec(line: &[String], more: &Value) -> Value {
    let mut spec =
        json!({"type": "stdio", "command": line[0], "args": line[1..], "autoStart": true});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

/// Servers whose tools are named in every way there is; `config` is the configuration beside the exposure.
fn servers(peers: &Peers, config: &str) -> ConfigDir {
    let long = json!({"toolPrefix": "a_prefix_that_is_so_long_that_names_are_cut"});
    let family = json!({"family": {"name": "clusters", "instanceArg": "cluster"}});
    ConfigDir::new()
        .config(&format!("aggregator: {{exposure: both}}\n{config}"))
        .server("k8s", &spec(&offer(peers, &["kubectl_get", "kubectl_delete"]), &json!({})))
        .server(
            "bare",
            &spec(
                &offer(peers, &["read", "kubectl_apply"]),
                &json!({"gateway": {"expose": {"prefix": "none"}}}),
            ),
        )
        .server("long", &spec(&offer(peers, &["list", "capi_create_machinedeployment"]), &long))
        .server("one", &spec(&offer(peers, &["look", "kubectl_scale"]), &family))
        .server("two", &spec(&offer(peers, &["look", "kubectl_scale"]), &family))
}

const HARMLESS: [&str; 4] = ["x_k8s_kubectl_get", "read", "x_clusters_look", "call_tool"];
const SHORTENED: &str = "x_a_prefix_that_is_so_long_that_names_are_cut_list";

/// The tools that are denied, as they are exposed, and the arguments that a call of each takes.
const DENIED: [(&str, &str); 4] = [
    ("x_k8s_kubectl_delete", "{}"),
    ("kubectl_apply", "{}"),
    ("x_clusters_kubectl_scale", r#"{"cluster":"one"}"#),
    ("x_clusters_kubectl_scale", r#"{"cluster":"two"}"#),
];

async fn names(client: &RawClient) -> Vec<String> {
    let list = client.call("tools/list", &json!({})).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let tools = list["result"]["tools"].as_array().expect("a list").iter();
    tools.map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Whether a native call and one through `call_tool` say the same, and that.
async fn says(client: &RawClient, name: &str, given: &str, said: &str) {
    let given = arguments(given);
    let native = client.call_tool(name, &given).await;
    assert!(native.contains(said), "{name}: {native}");
    let spelled = client.call_tool("call_tool", &json!({"name": name, "arguments": given})).await;
    assert!(spelled.contains(said), "call_tool {name}: {spelled}");
}

async fn all_run(gateway: &Gateway) {
    for server in ["k8s", "bare", "long", "one", "two"] {
        let state = format!(r#"portcullis_backend_state{{backend="{server}",state="running""#);
        gateway.until_metric(&state, |running| running > 0.5).await;
    }
}

async fn start(config: &ConfigDir, flags: &[&str]) -> (Gateway, RawClient) {
    let gateway = Gateway::start_with(BINARY, config.path(), |command| {
        command.args(flags);
    })
    .await;
    all_run(&gateway).await;
    let tools = [&HARMLESS[..], &[SHORTENED]].concat();
    let client = gateway.client_that_sees(&tools).await;
    (gateway, client)
}

#[tokio::test]
async fn what_is_on_the_denylist_is_in_no_list_and_cannot_be_called_by_any_name() {
    let Some(peers) = Peers::installed() else { return };
    let config = servers(&peers, "");
    let (open, client) = start(&config, &["--yolo"]).await;
    let everything = names(&client).await;
    let shortened =
        everything.iter().find(|name| name.starts_with("x_a_prefix") && *name != SHORTENED);
    let shortened = shortened.expect("the long name").clone();
    assert_eq!(shortened.len(), 64, "{shortened}");
    let denied = [&DENIED[..], &[(&*shortened, "{}")]].concat();
    for (name, given) in &denied {
        assert!(everything.iter().any(|listed| listed == name), "{name}: {everything:?}");
        says(&client, name, given, "tools/call").await;
    }
    let warned = |line: &str| line.contains("--yolo").then_some(());
    open.process().line("the warning about --yolo", warned).await;

    let (gateway, client) = start(&config, &[]).await;
    let listed = names(&client).await;
    for (name, given) in &denied {
        assert!(!listed.iter().any(|listed| listed == name), "{name}: {listed:?}");
        says(&client, name, given, "is on the denylist of destructive tools").await;
    }
    let refusal = client.call_tool("x_k8s_kubectl_delete", &json!({})).await;
    insta::assert_snapshot!(member(&refusal, "error").expect("an error"), @r#"{"code":-31006,"message":"tool \"kubectl_delete\" of server k8s is blocked: it is on the denylist of destructive tools; to allow it, add {backend: k8s, tool: kubectl_delete} to denylist.allow, or start with --yolo"}"#);
    for (server, tool) in [("k8s", "kubectl_delete"), ("k8s", "kubectl_patch"), ("one", "cleanup")]
    {
        let own = RawClient::connect(&gateway.server_url(server), &json!({})).await;
        assert!(!own.call("tools/list", &json!({})).await.contains(&format!("\"{tool}\"")));
        let answer = own.call_tool(tool, &json!({})).await;
        assert!(answer.contains("is on the denylist"), "listed or not: {server} {tool}: {answer}");
        let unlisted = own.call_tool("never_listed", &json!({})).await;
        assert!(unlisted.contains("tools/call"), "its server answers: {unlisted}");
    }
    let prompt = client.call("prompts/get", &json!({"name": "x_k8s_cleanup"})).await;
    assert!(prompt.contains(r#""text":"cleanup""#), "a prompt is no tool: {prompt}");
    let denied = r#"portcullis_denied_total{reason="denylist"}"#;
    gateway.until_metric(denied, |count| count > 12.5).await;
}

#[tokio::test]
async fn allow_lifts_the_denylist_and_block_beats_it_and_holds_without() {
    let Some(peers) = Peers::installed() else { return };
    let rules = "  allow: [{backend: k8s, tool: kubectl_*}, {backend: '*', tool: '*'}]\n  \
                 block: [{backend: bare, tool: '*_apply'}, {tool: list}]\n";
    let allowing = servers(&peers, &format!("denylist:\n{rules}"));
    let off = servers(&peers, &format!("denylist:\n  enabled: false\n{rules}"));
    for (what, config, flags) in
        [("allow", &allowing, &[][..]), ("enabled", &off, &[]), ("yolo", &allowing, &["--yolo"])]
    {
        let gateway = Gateway::start_with(BINARY, config.path(), |command| {
            command.args(flags);
        })
        .await;
        all_run(&gateway).await;
        let client = gateway.client_that_sees(&["x_k8s_kubectl_delete", "read"]).await;
        let listed = names(&client).await;
        assert!(listed.iter().any(|name| name == "x_clusters_kubectl_scale"), "{what}: {listed:?}");
        says(&client, "x_k8s_kubectl_delete", "{}", "tools/call").await;
        for (name, rule) in
            [("kubectl_apply", "denylist.block[0]"), (SHORTENED, "denylist.block[1]")]
        {
            assert!(!listed.iter().any(|listed| listed == name), "{what}: {listed:?}");
            says(&client, name, "{}", rule).await;
        }
        gateway.until_metric(r#"portcullis_denied_total{reason="block"}"#, |n| n > 3.5).await;
    }
}

#[tokio::test]
async fn a_denied_instance_is_no_value_of_the_argument() {
    let Some(peers) = Peers::installed() else { return };
    let config = servers(&peers, "denylist: {block: [{backend: two, tool: look}]}\n");
    let (_gateway, client) = start(&config, &[]).await;
    let list = client.call("tools/list", &json!({})).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let tools = list["result"]["tools"].as_array().expect("a list");
    let look = tools.iter().find(|tool| tool["name"] == "x_clusters_look").expect("it is listed");
    assert_eq!(look["inputSchema"]["properties"]["cluster"]["enum"], json!(["one"]));
    assert_eq!(look["description"], "(available on servers: one)");
    says(&client, "x_clusters_look", r#"{"cluster":"one"}"#, "tools/call").await;
    says(&client, "x_clusters_look", r#"{"cluster":"two"}"#, "denylist.block[0]").await;
    says(&client, "x_clusters_look", r#"{"cluster":"three"}"#, "(available: one)").await;
    says(&client, "x_clusters_look", "{}", "by a family on servers one; ").await;
}

#[tokio::test]
async fn a_block_at_runtime_works_at_once_and_until_it_is_lifted() {
    let Some(peers) = Peers::installed() else { return };
    let demo = ["portcullis", "demo-server"].map(str::to_owned).to_vec();
    let config = servers(&peers, "").stdio("demo", &demo, &json!({}));
    let (gateway, client) = start(&config, &[]).await;
    let watching = gateway.client_that_sees(&["x_demo_slow"]).await;
    let mut stream = watching.listen().await;
    let slow = json!({
        "name": "x_demo_slow", "arguments": {"ms": 2000}, "_meta": {"progressToken": 1},
    });
    let mut under_way = watching.start("tools/call", &slow).await;
    under_way.message().await.expect("progress");

    let changed = |tool: &'static str| (tool, json!({"name": tool}));
    for (tool, block) in [changed("x_demo_slow"), changed("read")] {
        let answer = client.call_tool("core_tool_block", &block).await;
        assert!(answer.contains("is blocked, until"), "{answer}");
        within("news of the list", async {
            while let Some(event) = stream.event().await {
                if event.message().is_some_and(|it| it.contains("notifications/tools/list_changed"))
                {
                    return;
                }
            }
            panic!("the stream ended");
        })
        .await;
        assert!(!names(&watching).await.iter().any(|name| name == tool), "{tool}");
        says(&watching, tool, "{}", "core_tool_block was called for it").await;
    }
    let finished = under_way.response_message().await;
    assert!(finished.contains("took 2000 ms"), "a call under way goes on: {finished}");
    let own = RawClient::connect(&gateway.server_url("bare"), &json!({})).await;
    assert!(own.call_tool("read", &json!({})).await.contains("core_tool_block was called"));
    let denied = r#"portcullis_denied_total{reason="blocked_at_runtime"}"#;
    gateway.until_metric(denied, |count| count > 4.5).await;

    let unblock = json!({"name": "read", "server": "bare"});
    let answer = client.call_tool("core_tool_unblock", &unblock).await;
    assert!(answer.contains("is not blocked any more"), "{answer}");
    assert!(names(&watching).await.iter().any(|name| name == "read"));
    says(&watching, "read", "{}", "tools/call").await;

    let (_restarted, client) = start(&config, &[]).await;
    let lived = client.call_tool("x_demo_slow", &json!({"ms": 1})).await;
    assert!(lived.contains("took 1 ms"), "a restart forgets it: {lived}");
}

/// Calls in order, and what each is answered.
async fn transcript(client: &RawClient, calls: &[(&str, Value)]) -> String {
    let mut out = String::new();
    for (tool, given) in calls {
        let answer = client.call_tool(tool, given).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| answer["error"].to_string());
        let mark = if result["isError"] == true { " (isError)" } else { "" };
        writeln!(out, "{tool} {given}{mark}\n{text}\n").expect("a string");
    }
    out
}

#[tokio::test]
async fn the_tools_about_blocks_say_what_they_did_and_why_they_did_not() {
    let Some(peers) = Peers::installed() else { return };
    let config = servers(&peers, "denylist: {block: [{backend: k8s, tool: '*_get'}]}\n");
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["read", "x_clusters_look", SHORTENED]).await;
    all_run(&gateway).await;
    let (block, unblock) = ("core_tool_block", "core_tool_unblock");
    let calls = [
        ("core_tool_blocks", json!({})),
        (block, json!({"name": "read"})),
        (block, json!({"name": "read"})),
        (block, json!({"name": "x_clusters_look", "server": "two"})),
        (block, json!({"name": "list", "server": "long"})),
        ("core_tool_blocks", json!({})),
        (block, json!({"name": "x_clusters_look"})),
        (block, json!({"name": "kubectl_delete", "server": "k8s"})),
        (unblock, json!({"name": "x_clusters_look", "server": "one"})),
        (unblock, json!({"name": "x_clusters_look"})),
        (unblock, json!({"name": "x_clusters_look"})),
        (unblock, json!({"name": "list", "server": "long"})),
        (unblock, json!({"name": "kubectl_delete", "server": "k8s"})),
        (unblock, json!({"name": "x_k8s_kubectl_get"})),
        (block, json!({"name": "x_k8s_nothing"})),
        (block, json!({"name": "nothing", "server": "k8s"})),
        (block, json!({"name": "read", "server": "nobody"})),
        (block, json!({"name": "look"})),
        (block, json!({"name": "call_tool"})),
        (unblock, json!({"name": "core_tool_block"})),
        (block, json!({})),
        (unblock, json!({"name": 5})),
        ("core_tool_blocks", json!({"name": "read"})),
        ("core_tool_blocks", json!({})),
    ];
    insta::assert_snapshot!("tools", transcript(&client, &calls).await);
}

#[tokio::test]
async fn a_block_outlives_its_tool_and_can_be_lifted_all_the_same() {
    let Some(peers) = Peers::installed() else { return };
    let config = servers(&peers, "");
    let (gateway, client) = start(&config, &[]).await;
    let answer = client.call_tool("core_tool_block", &json!({"name": "read"})).await;
    assert!(answer.contains("is blocked, until"), "{answer}");
    let own = RawClient::connect(&gateway.server_url("bare"), &json!({})).await;
    let forgotten = own.call_tool("forget", &json!({"name": "read"})).await;
    assert!(forgotten.contains("forgotten"), "{forgotten}");
    within("the end of the tool", async {
        while !client.call_tool("core_tool_blocks", &json!({})).await.contains("notOfferedNow") {}
    })
    .await;
    let answer = own.call_tool("read", &json!({})).await;
    assert!(answer.contains("core_tool_block was called"), "unlisted, and blocked: {answer}");
    let answer = client.call_tool("core_tool_unblock", &json!({"name": "read"})).await;
    assert!(answer.contains("is not blocked any more"), "{answer}");
    assert!(own.call_tool("read", &json!({})).await.contains("tools/call"));
}

#[tokio::test]
async fn where_strangers_get_in_nobody_changes_what_is_blocked_and_everybody_can_look() {
    let Some(peers) = Peers::installed() else { return };
    let tools = offer(&peers, &["kubectl_get", "kubectl_delete"]);
    for proxied in [
        "aggregator: {exposure: native, publicUrl: 'https://gate.example'}\n",
        "aggregator: {exposure: native}\ntrustedProxies: [10.0.0.0/8]\n",
        "aggregator: {exposure: native}\nhttp: {allowedHosts: [gate.example]}\n",
        "aggregator: {exposure: native, host: 0.0.0.0}\nauth: {allowUnauthenticated: true}\n",
    ] {
        let config = ConfigDir::new().config(proxied).server("k8s", &spec(&tools, &json!({})));
        let gateway = Gateway::start(BINARY, config.path()).await;
        let client = gateway.client_that_sees(&["x_k8s_kubectl_get", "core_tool_blocks"]).await;
        let listed = names(&client).await;
        for tool in ["core_tool_block", "core_tool_unblock"] {
            assert!(!listed.iter().any(|name| name == tool), "{listed:?}");
            says(&client, tool, r#"{"name":"x_k8s_kubectl_get"}"#, "aggregator.publicUrl").await;
        }
        let blocks = client.call_tool("core_tool_blocks", &json!({})).await;
        assert!(blocks.contains("kubectl_delete") && !blocks.contains("kubectl_get"), "{blocks}");
        gateway.until_metric(r#"portcullis_denied_total{reason="admin"}"#, |n| n > 3.5).await;
    }
}

#[tokio::test]
async fn whoever_starts_the_gateway_as_a_child_may_block_tools() {
    let Some(peers) = Peers::installed() else { return };
    let server = spec(&offer(&peers, &["kubectl_get", "kubectl_delete"]), &json!({}));
    let config = ConfigDir::new().config("aggregator: {exposure: native}\n").server("k8s", &server);
    let mut client = RawDuplex::open_stdio(BINARY, config.path());
    client.initialize("2025-11-25", &json!({})).await;
    client.until_listed(&["x_k8s_kubectl_get", "core_tool_block"]).await;
    let denied = client.call_tool("x_k8s_kubectl_delete", &json!({})).await;
    assert!(denied.contains("is on the denylist"), "{denied}");
    let name = json!({"name": "x_k8s_kubectl_get"});
    let blocked = client.call_tool("core_tool_block", &name).await;
    assert!(blocked.contains("is blocked, until"), "{blocked}");
    let answer = client.call_tool("x_k8s_kubectl_get", &json!({})).await;
    assert!(answer.contains("core_tool_block was called for it"), "{answer}");
}

#[tokio::test]
async fn no_server_is_shown_another_name_than_the_one_that_was_judged() {
    let Some(peers) = Peers::installed() else { return };
    let (gateway, client) = start(&servers(&peers, ""), &[]).await;
    let own = RawClient::connect(&gateway.server_url("k8s"), &json!({})).await;
    for second in ["name", "n\\u0061me", "Name", "NAME", "nam\\u0045"] {
        for (client, name) in [(&client, "x_k8s_kubectl_get"), (&own, "kubectl_get")] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","{second}":"kubectl_delete"}}}}"#
            );
            let answer = client.post(body).await.text().await;
            assert!(answer.contains("-32602"), "{second}: {answer}");
        }
    }
    for method in ["METHOD", "Method", "m\\u0065thod"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","{method}":"tools/call","params":{{"name":"kubectl_delete"}}}}"#
        );
        assert_eq!(own.post(body).await.status, 400, "{method}");
    }
    let spelled = r#"{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"kubectl\u005fdelete"}}"#;
    let answer = own.post(spelled).await.text().await;
    assert!(answer.contains("is on the denylist"), "{answer}");
}
