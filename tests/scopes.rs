//! What callers may do: scopes for tools and whatever else servers have, and who may change the gateway.

use portcullis::authn::Digest;
use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{
    ConfigDir, Gateway, Peers, RawClient, RawDuplex, member, scenes, within,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The scopes of each token, which is called `{name}-token`.
const TOKENS: [(&str, &str); 10] = [
    ("nobody", "[]"),
    ("poor", "[in]"),
    ("notes", "[in, notes]"),
    ("writer", "[in, notes, notes:write]"),
    ("demo", "[in, demo]"),
    ("one", "[in, one]"),
    ("rich", "[in, notes, notes:write, demo, one, two]"),
    ("root", "[in, admin]"),
    ("keeper", "[in]"),
    ("operator", "[in]"),
];

const RULES: &str = "    - {backend: notes, scopes: [notes]}
    - {backend: notes, tool: 'delete_*', scopes: ['notes:write']}
    - {backend: demo, scopes: [demo]}
    - {backend: one, scopes: [one]}
    - {backend: two, scopes: [two]}
";

/// A configuration whose scopes are needed to get in and by these rules; `more` is what else `auth` says.
fn config(exposure: &str, rules: &str, more: &str) -> ConfigDir {
    let tokens = TOKENS.map(|(name, scopes)| {
        let digest = Digest::of(format!("{name}-token").as_bytes());
        let groups = if name == "operator" { "[operators]" } else { "[]" };
        format!("    - {{name: {name}, sha256: '{digest}', scopes: {scopes}, groups: {groups}}}\n")
    });
    let tokens = tokens.concat();
    ConfigDir::new().config(&format!(
        "aggregator: {{exposure: {exposure}}}\nauth:\n  mode: tokens\n  tokens:\n{tokens}{more}  scopes:\n    required: [in]\n{rules}"
    ))
}

fn offering(peers: &Peers, tools: &[&str], more: &Value) -> Value {
    let tool = |name: &&str| json!({"name": name, "inputSchema": {"type": "object"}});
    let line = peers.offer_stdio(&tools.iter().map(tool).collect());
    let mut spec =
        json!({"type": "stdio", "command": line[0], "args": line[1..], "autoStart": true});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

/// A server with notes, the demo server, and a family of two.
fn servers(peers: &Peers, config: ConfigDir) -> ConfigDir {
    let family = json!({"family": {"name": "fam", "instanceArg": "on"}});
    config
        .server("notes", &offering(peers, &["read_note", "delete_note"], &json!({})))
        .stdio("demo", &scenes::demo(), &json!({}))
        .server("one", &offering(peers, &["look"], &family))
        .server("two", &offering(peers, &["look"], &family))
}

async fn start(config: &ConfigDir, servers: &[&str]) -> Gateway {
    let gateway = Gateway::start(BINARY, config.path()).await;
    for server in servers {
        let state = format!(r#"portcullis_backend_state{{backend="{server}",state="running""#);
        gateway.until_metric(&state, |running| running > 0.5).await;
    }
    gateway
}

const ALL: [&str; 4] = ["notes", "demo", "one", "two"];

async fn everything(peers: &Peers, exposure: &str, more: &str) -> (ConfigDir, Gateway) {
    let config = servers(peers, config(exposure, &format!("    tools:\n{RULES}"), more));
    let gateway = start(&config, &ALL).await;
    (config, gateway)
}

async fn client(gateway: &Gateway, name: &str) -> RawClient {
    RawClient::connect_as(&format!("{name}-token"), gateway.url()).await
}

/// The text of a meta-tool's or core tool's result.
async fn text(client: &RawClient, tool: &str, arguments: Value) -> String {
    let answer = client.call_tool(tool, &arguments).await;
    let json: Value = serde_json::from_str(&answer).expect("JSON");
    let text = json["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// A request that is refused for want of scopes, with the status and the challenge that tell so.
async fn lacks(client: &RawClient, method: &str, params: Value, scopes: &[&str]) {
    let mut exchange = client.start(method, &params).await;
    let what = format!("{method} {params}");
    assert_eq!(exchange.response.status, 403, "{what}");
    let challenge = exchange.response.header("www-authenticate").expect("a challenge").to_owned();
    assert!(challenge.starts_with("Bearer "), "{what}: {challenge}");
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{what}: {challenge}");
    let named = format!("scope=\"{}\"", scopes.join(" "));
    assert!(challenge.contains(&named), "{what}: {challenge}");
    let answer = exchange.response_message().await;
    let error: Value =
        serde_json::from_str(member(&answer, "error").expect("an error")).expect("JSON");
    assert_eq!(error["code"], -31006, "{what}: {answer}");
    assert_eq!(error["data"], json!({"requiredScopes": scopes}), "{what}: {answer}");
}

async fn works(client: &RawClient, method: &str, params: Value) -> String {
    let mut exchange = client.start(method, &params).await;
    assert_eq!(exchange.response.status, 200, "{method} {params}");
    let answer = exchange.response_message().await;
    assert!(member(&answer, "error").is_none(), "{method} {params}: {answer}");
    answer
}

#[tokio::test]
async fn each_caller_is_shown_what_its_scopes_let_it_use_in_every_exposure() {
    let Some(peers) = Peers::installed() else { return };
    let things = [
        ("x_notes_read_note", vec!["notes", "writer", "rich"]),
        ("x_notes_delete_note", vec!["writer", "rich"]),
        ("x_demo_echo", vec!["demo", "rich"]),
        ("x_fam_look", vec!["one", "rich"]),
    ];
    for exposure in ["native", "both", "meta"] {
        let (_config, gateway) = everything(&peers, exposure, "").await;
        for caller in ["poor", "notes", "writer", "demo", "one", "rich"] {
            let client = client(&gateway, caller).await;
            let native = client.call("tools/list", &json!({})).await;
            let listed = text(&client, "list_tools", json!({"limit": 1000})).await;
            let found =
                text(&client, "filter_tools", json!({"pattern": "x_*", "limit": 100})).await;
            for (name, who) in &things {
                let what = format!("{exposure}: {name} to {caller}");
                let (quoted, is_seen) = (format!("\"{name}\""), who.contains(&caller));
                assert_eq!(native.contains(&quoted), is_seen && exposure != "meta", "{what}");
                assert_eq!(listed.contains(&quoted), is_seen, "list_tools {what}: {listed}");
                assert_eq!(found.contains(&quoted), is_seen, "filter_tools {what}: {found}");
                let described = client.call_tool("describe_tool", &json!({"name": name})).await;
                assert_eq!(!described.contains("Tool not found"), is_seen, "{what}: {described}");
            }
            let demo = ["demo", "rich"].contains(&caller);
            let listed = text(&client, "list_resources", json!({})).await;
            assert_eq!(listed.contains("demo://readme"), demo, "{exposure} {caller}: {listed}");
            assert_eq!(listed.contains("demo://item/{id}"), demo, "{exposure} {caller}: {listed}");
            let listed = text(&client, "list_prompts", json!({})).await;
            assert_eq!(listed.contains("x_demo_greet"), demo, "{exposure} {caller}: {listed}");
            for (method, thing) in [
                ("prompts/list", "x_demo_greet"),
                ("resources/list", "demo://readme"),
                ("resources/templates/list", "demo://item/{id}"),
            ] {
                let list = client.call(method, &json!({})).await;
                let is_seen = demo && exposure != "meta";
                assert_eq!(list.contains(thing), is_seen, "{exposure} {caller} {method}: {list}");
            }
        }
    }
}

#[tokio::test]
async fn what_scopes_are_lacking_for_is_refused_in_every_spelling_with_all_that_it_needs() {
    let Some(peers) = Peers::installed() else { return };
    let (_config, gateway) = everything(&peers, "native", "").await;
    let poor = client(&gateway, "poor").await;
    let tool = |name: &str| json!({"name": name, "arguments": {}});
    let spelled = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let delete = ["in", "notes", "notes:write"];
    let (notes, demo) = (["in", "notes"], ["demo", "in"]);
    lacks(&poor, "tools/call", tool("x_notes_read_note"), &notes).await;
    lacks(&poor, "tools/call", tool("x_notes_delete_note"), &delete).await;
    let call = spelled("call_tool", tool("x_notes_delete_note"));
    lacks(&poor, "tools/call", call.clone(), &delete).await;
    lacks(&poor, "prompts/get", tool("x_demo_greet"), &demo).await;
    let get = spelled("get_prompt", json!({"name": "x_demo_greet", "arguments": {"who": "Ada"}}));
    lacks(&poor, "tools/call", get.clone(), &demo).await;
    for uri in ["demo://readme", "demo://item/7", "demo://elsewhere"] {
        lacks(&poor, "resources/read", json!({"uri": uri}), &demo).await;
        lacks(&poor, "tools/call", spelled("get_resource", json!({"uri": uri})), &demo).await;
    }
    lacks(&poor, "resources/subscribe", json!({"uri": "demo://readme"}), &demo).await;
    let complete = |reference: Value, argument: &str| json!({"ref": reference, "argument": {"name": argument, "value": "A"}});
    let prompt = complete(json!({"type": "ref/prompt", "name": "x_demo_greet"}), "who");
    let template = complete(json!({"type": "ref/resource", "uri": "demo://item/{id}"}), "id");
    lacks(&poor, "completion/complete", prompt.clone(), &demo).await;
    lacks(&poor, "completion/complete", template.clone(), &demo).await;
    // What nobody has is as unknown as ever.
    let unknown = poor.call_tool("x_notes_nothing", &json!({})).await;
    assert!(unknown.contains("tool not found"), "{unknown}");

    let writer = client(&gateway, "writer").await;
    works(&writer, "tools/call", tool("x_notes_delete_note")).await;
    works(&writer, "tools/call", call).await;
    lacks(&writer, "tools/call", tool("x_demo_echo"), &demo).await;
    let with_demo = client(&gateway, "demo").await;
    let message = works(&with_demo, "tools/call", get).await;
    assert!(message.contains("Ada"), "{message}");
    works(&with_demo, "resources/read", json!({"uri": "demo://item/7"})).await;
    let completed = works(&with_demo, "completion/complete", prompt).await;
    assert!(completed.contains("Alan"), "{completed}");
    works(&with_demo, "completion/complete", template).await;
    let denied = r#"portcullis_denied_total{reason="scope"}"#;
    gateway.until_metric(denied, |denied| denied > 14.5).await;
    let denied = r#"portcullis_calls_total{method="tools/call",tool="x_notes_delete_note",backend="notes",outcome="denied"}"#;
    gateway.until_metric(denied, |denied| denied > 1.5).await;
}

#[tokio::test]
async fn a_servers_own_endpoint_refuses_alike_also_what_it_did_not_list() {
    let Some(peers) = Peers::installed() else { return };
    let (_config, gateway) = everything(&peers, "native", "").await;
    let url = gateway.server_url("notes");
    let notes = RawClient::connect_as("notes-token", &url).await;
    let list = notes.call("tools/list", &json!({})).await;
    assert!(list.contains("read_note") && !list.contains("delete_note"), "{list}");
    let tool = |name: &str| json!({"name": name, "arguments": {}});
    works(&notes, "tools/call", tool("unlisted")).await;
    let delete = ["in", "notes", "notes:write"];
    for name in ["delete_note", "delete_what_is_not_listed"] {
        lacks(&notes, "tools/call", tool(name), &delete).await;
    }
    // Whom the server has nothing for gets no session there.
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
    });
    let response = Request::new("POST", &url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("Authorization", "Bearer poor-token")
        .body(hello.to_string())
        .send()
        .await;
    assert_eq!(response.status, 403);
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="in notes""#), "{challenge}");
}

#[tokio::test]
async fn where_there_is_no_status_to_tell_it_the_error_does() {
    let Some(peers) = Peers::installed() else { return };
    let (_config, gateway) = everything(&peers, "native", "").await;
    let old = client(&gateway, "poor").await;
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
    });
    let hello = old.post(hello.to_string()).await;
    let session = hello.header("mcp-session-id").expect("a session").to_owned();
    let call = |id: u8| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "x_notes_read_note"}});
    let batch = json!([call(1), {"jsonrpc": "2.0", "id": 2, "method": "ping"}]);
    let mut response = old
        .request("POST")
        .header("Content-Type", "application/json")
        .header("Mcp-Session-Id", &session)
        .without("MCP-Protocol-Version")
        .body(batch.to_string())
        .send()
        .await;
    assert_eq!(response.status, 200);
    let answers = response.text().await;
    assert!(answers.contains(r#"{"requiredScopes":["in","notes"]}"#), "{answers}");
    assert!(answers.contains(r#""id":2,"result":{}"#), "{answers}");
}

#[tokio::test]
async fn whoever_lacks_what_everybody_needs_does_not_get_in() {
    let Some(peers) = Peers::installed() else { return };
    let config = config("native", "", "").server("notes", &offering(&peers, &["read"], &json!({})));
    let gateway = start(&config, &["notes"]).await;
    let response = Request::new("POST", gateway.url())
        .header("Authorization", "Bearer nobody-token")
        .header("Content-Type", "application/json")
        .send()
        .await;
    assert_eq!(response.status, 403);
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="in", error="insufficient_scope""#), "{challenge}");
    // Without rules that is all that servers' tools need.
    let poor = client(&gateway, "poor").await;
    works(&poor, "tools/call", json!({"name": "x_notes_read"})).await;
}

#[tokio::test]
async fn with_hidden_show_a_list_has_what_only_scopes_are_lacking_for() {
    let Some(peers) = Peers::installed() else { return };
    let rules = format!("    hidden: show\n    tools:\n{RULES}");
    let config = servers(&peers, config("both", &rules, ""));
    let gateway = start(&config, &ALL).await;
    let poor = client(&gateway, "poor").await;
    let native = poor.call("tools/list", &json!({})).await;
    let listed = text(&poor, "list_tools", json!({"limit": 1000})).await;
    for name in ["x_notes_delete_note", "x_demo_echo", "x_fam_look"] {
        let quoted = format!("\"{name}\"");
        assert!(native.contains(&quoted) && listed.contains(&quoted), "{name}: {listed}");
    }
    // No scope makes an admin here.
    assert!(!native.contains("core_tool_block\""), "{native}");
    let call = json!({"name": "x_notes_delete_note"});
    lacks(&poor, "tools/call", call, &["in", "notes", "notes:write"]).await;
}

#[tokio::test]
async fn a_family_tells_each_caller_of_the_instances_it_may_use() {
    let Some(peers) = Peers::installed() else { return };
    let (_config, gateway) = everything(&peers, "native", "").await;
    let one = client(&gateway, "one").await;
    let list = one.call("tools/list", &json!({})).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let tools = list["result"]["tools"].as_array().expect("a list");
    let look = tools.iter().find(|tool| tool["name"] == "x_fam_look").expect("the family's tool");
    assert_eq!(look["inputSchema"]["properties"]["on"]["enum"], json!(["one"]), "{look}");
    assert!(!look.to_string().contains("two"), "{look}");
    let described = text(&one, "describe_tool", json!({"name": "x_fam_look"})).await;
    assert!(!described.contains("two"), "{described}");
    let nameless = one.call_tool("x_fam_look", &json!({})).await;
    assert!(nameless.contains("servers one;"), "{nameless}");
    let look = |on: &str| json!({"name": "x_fam_look", "arguments": {"on": on}});
    works(&one, "tools/call", look("one")).await;
    lacks(&one, "tools/call", look("two"), &["in", "two"]).await;
    let poor = client(&gateway, "poor").await;
    lacks(&poor, "tools/call", look("two"), &["in", "two"]).await;
    lacks(&poor, "tools/call", look("one"), &["in", "one"]).await;
    let rich = client(&gateway, "rich").await;
    works(&rich, "tools/call", look("two")).await;
}

#[tokio::test]
async fn annotations_count_where_their_server_is_trusted_and_are_the_worst_elsewhere() {
    let rules = "    tools:\n    - {annotation: destructiveHint, scopes: [notes]}\n    - {annotation: readOnlyHint, scopes: [demo]}\n    - {annotation: openWorldHint=false, scopes: [one]}\n";
    let config = config("native", rules, "")
        .stdio("trusted", &scenes::demo(), &json!({"trustAnnotations": true}))
        .stdio("other", &scenes::demo(), &json!({"trustAnnotations": false}));
    let gateway = start(&config, &["trusted", "other"]).await;
    let echo =
        |server: &str| json!({"name": format!("x_{server}_echo"), "arguments": {"message": "a"}});
    let poor = client(&gateway, "poor").await;
    // The demo server says of its tools that they only read, and nothing outside.
    lacks(&poor, "tools/call", echo("trusted"), &["demo", "in", "one"]).await;
    lacks(&poor, "tools/call", echo("other"), &["in", "notes"]).await;
    let rich = client(&gateway, "rich").await;
    works(&rich, "tools/call", echo("trusted")).await;
    let notes = client(&gateway, "notes").await;
    works(&notes, "tools/call", echo("other")).await;
    let list = notes.call("tools/list", &json!({})).await;
    assert!(list.contains("x_other_echo") && !list.contains("x_trusted_echo"), "{list}");
    // At the server's own endpoint what it lists counts as it says, and what it does not as the worst.
    let own = RawClient::connect_as("rich-token", &gateway.server_url("trusted")).await;
    works(&own, "tools/call", json!({"name": "echo", "arguments": {"message": "a"}})).await;
    let own = RawClient::connect_as("demo-token", &gateway.server_url("trusted")).await;
    lacks(&own, "tools/call", json!({"name": "unlisted"}), &["in", "notes"]).await;
}

async fn ready(gateway: &Gateway, path: &str, token: Option<&str>) -> Response {
    let request = Request::new("GET", &format!("{}{path}", gateway.origin()));
    match token {
        Some(name) => request.header("Authorization", &format!("Bearer {name}-token")).send().await,
        None => request.send().await,
    }
}

#[tokio::test]
async fn who_may_change_the_gateway_is_told_by_a_scope_a_group_or_the_name_of_a_token() {
    let Some(peers) = Peers::installed() else { return };
    let block = json!({"name": "core_tool_block", "arguments": {"name": "x_notes_delete_note"}});
    let through = json!({"name": "call_tool", "arguments": block});
    for (admin, who) in [
        ("{scopes: [admin, extra]}", "root"),
        ("{groups: [operators]}", "operator"),
        ("{tokens: [keeper]}", "keeper"),
        ("{}", "nobody at all"),
    ] {
        let (_config, gateway) = everything(&peers, "both", &format!("  admin: {admin}\n")).await;
        for caller in ["root", "operator", "keeper", "rich"] {
            let what = format!("{caller} where admin is {admin}");
            let client = client(&gateway, caller).await;
            let list = client.call("tools/list", &json!({})).await;
            for tool in ["core_tool_block", "core_tool_unblock", "core_config_get"] {
                assert_eq!(list.contains(&format!("\"{tool}\"")), caller == who, "{what}: {tool}");
            }
            let mut details = ready(&gateway, "/ready?verbose", Some(caller)).await;
            if caller == who {
                works(&client, "tools/call", block.clone()).await;
                works(&client, "tools/call", through.clone()).await;
                let config = text(&client, "core_config_get", json!({})).await;
                assert!(config.contains("\"denylist\""), "{what}: {config}");
                assert_eq!(details.status, 200, "{what}");
                assert!(details.text().await.contains(r#""name":"notes""#), "{what}");
            } else if admin.contains("scopes") {
                lacks(&client, "tools/call", block.clone(), &["admin", "in"]).await;
                lacks(&client, "tools/call", through.clone(), &["admin", "in"]).await;
                assert_eq!(details.status, 403, "{what}");
                let challenge = details.header("www-authenticate").expect("a challenge");
                assert!(challenge.contains(r#"scope="admin in""#), "{what}: {challenge}");
            } else {
                let refusal = client.call("tools/call", &block).await;
                assert!(refusal.contains("-31006") && refusal.contains("auth.admin"), "{refusal}");
                assert_eq!(details.status, 403, "{what}");
                let said = details.text().await;
                assert!(said.contains("auth.admin") && !said.contains("notes"), "{what}: {said}");
            }
        }
        assert_eq!(ready(&gateway, "/ready", None).await.status, 200);
        assert_eq!(ready(&gateway, "/ready?verbose", None).await.status, 401);
    }
}

#[tokio::test]
async fn core_tools_that_look_tell_each_caller_of_what_it_may_use() {
    let Some(peers) = Peers::installed() else { return };
    let more = "  admin: {tokens: [keeper]}\n";
    let rules = format!("    tools:\n{RULES}    - {{backend: down, scopes: [two]}}\n");
    let broken = json!({"type": "stdio", "command": "/no/such/program", "autoStart": true});
    let config = servers(&peers, config("native", &rules, more))
        .server("down", &broken)
        .file("mcpservers/wrong.yaml", "apiVersion: muster.giantswarm.io/v1alpha1\nkind: MCPServer\nmetadata: {name: wrong}\nspec: {type: stdio}\n");
    let gateway = start(&config, &ALL).await;
    gateway.failure("down").await;
    for (caller, sees) in [
        ("poor", vec![]),
        ("notes", vec!["notes"]),
        ("demo", vec!["demo"]),
        ("rich", vec!["demo", "down", "notes", "one", "two"]),
        ("keeper", vec!["demo", "down", "notes", "one", "two", "wrong"]),
    ] {
        let client = client(&gateway, caller).await;
        let names = |text: &str, list: &str| {
            let list = serde_json::from_str::<Value>(text).expect("JSON")[list].clone();
            let mut names: Vec<_> = list
                .as_array()
                .expect("a list")
                .iter()
                .map(|it| it["name"].as_str().expect("a name").to_owned())
                .collect();
            names.retain(|name| name != "mcp-aggregator");
            names.sort();
            names
        };
        let servers = text(&client, "core_mcpserver_list", json!({"showAll": true})).await;
        assert_eq!(names(&servers, "mcpServers"), sees, "{caller}");
        let services = text(&client, "core_service_list", json!({})).await;
        assert_eq!(names(&services, "services"), sees, "{caller}");
        let total = format!(r#""servers_total": {}"#, sees.len());
        let total = total.replace(": ", ":");
        assert!(services.replace(": ", ":").contains(&total), "{caller}: {services}");
        let got = client.call_tool("core_mcpserver_get", &json!({"name": "two"})).await;
        assert_eq!(got.contains("not found"), !sees.contains(&"two"), "{caller}: {got}");
        let got = client.call_tool("core_service_status", &json!({"name": "down"})).await;
        assert_eq!(got.contains("not found"), !sees.contains(&"down"), "{caller}: {got}");
        let status = client.call("resources/read", &json!({"uri": "auth://status"})).await;
        assert_eq!(status.contains("down"), sees.contains(&"down"), "{caller}: {status}");
        // Nobody else learns how a server is from a tool that it may have.
        let call = client.call_tool("x_down_tool", &json!({})).await;
        assert_eq!(call.contains("not available"), sees.contains(&"down"), "{caller}: {call}");
    }
    // Of a server's tools those count that the caller may use.
    for (caller, tools) in [("notes", 1), ("writer", 2), ("keeper", 2)] {
        let client = client(&gateway, caller).await;
        let notes = text(&client, "core_mcpserver_get", json!({"name": "notes"})).await;
        let notes: Value = serde_json::from_str(&notes).expect("JSON");
        assert_eq!(notes["toolsCount"], tools, "{caller}: {notes}");
    }
    let keeper = client(&gateway, "keeper").await;
    keeper.call_tool("core_tool_block", &json!({"name": "x_notes_read_note"})).await;
    for (caller, is_told) in [("poor", false), ("notes", true), ("keeper", true)] {
        let client = client(&gateway, caller).await;
        let blocks = text(&client, "core_tool_blocks", json!({})).await;
        assert_eq!(blocks.contains("read_note"), is_told, "{caller}: {blocks}");
    }
}

/// Waits for the next word that tools have changed; false if the stream ends before.
async fn tools_changed(stream: &mut Response) -> bool {
    within("a change or the end", async {
        while let Some(event) = stream.event().await {
            if event.message().is_some_and(|it| it.contains("notifications/tools/list_changed")) {
                return true;
            }
        }
        false
    })
    .await
}

#[tokio::test]
async fn who_may_not_use_a_server_does_not_hear_that_its_lists_changed() {
    let Some(peers) = Peers::installed() else { return };
    let rules = "    tools:\n    - {backend: secret, scopes: [notes]}\n";
    let config = ["open", "secret"].into_iter().fold(config("native", rules, ""), |it, name| {
        it.stdio(name, &peers.misbehave_stdio(), &json!({}))
    });
    let gateway = start(&config, &["open", "secret"]).await;
    let (poor, notes) = (client(&gateway, "poor").await, client(&gateway, "notes").await);
    let (mut hears_less, mut hears_all) = (poor.listen().await, notes.listen().await);

    works(&notes, "tools/call", json!({"name": "x_secret_grow"})).await;
    assert!(tools_changed(&mut hears_all).await);
    works(&poor, "tools/call", json!({"name": "x_open_grow"})).await;
    assert!(tools_changed(&mut hears_all).await && tools_changed(&mut hears_less).await);
    assert_eq!(poor.close().await, 200);
    assert!(!tools_changed(&mut hears_less).await, "it was told of the other server");
}

#[tokio::test]
async fn over_sse_the_message_itself_is_answered_with_the_challenge() {
    let Some(peers) = Peers::installed() else { return };
    let (_config, gateway) = everything(&peers, "native", "").await;
    let mut duplex = RawDuplex::open_sse_as("poor-token", &gateway.sse_url()).await;
    duplex.initialize("2025-03-26", &json!({})).await;
    let call = |id: u64, name: &str, arguments: Value| {
        let params = json!({"name": name, "arguments": arguments});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    for (id, message) in [
        (100, call(100, "x_notes_read_note", json!({}))),
        (101, call(101, "call_tool", json!({"name": "x_notes_read_note", "arguments": {}}))),
    ] {
        let mut refused = duplex.send(message.to_string()).await.expect("a refusal");
        assert_eq!(refused.status, 403);
        let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
        let named = r#"scope="in notes", error="insufficient_scope""#;
        assert!(challenge.starts_with("Bearer ") && challenge.contains(named), "{challenge}");
        let body = String::from_utf8(refused.bytes().await).expect("UTF-8");
        assert_eq!(member(&body, "id"), Some(&*id.to_string()), "{body}");
        assert!(body.contains(r#"{"requiredScopes":["in","notes"]}"#), "{body}");
    }

    // On the stream, which has none of that, a batch is answered, and what is allowed.
    let batch = json!([call(102, "x_notes_read_note", json!({}))]);
    assert!(duplex.send(batch.to_string()).await.is_none());
    let refusal = duplex.answer_to_me().await;
    assert!(refusal.contains(r#"{"requiredScopes":["in","notes"]}"#), "{refusal}");
    assert!(refusal.contains("-31006"), "{refusal}");
    let answer = duplex.call("tools/list", &json!({})).await;
    assert!(member(&answer, "result").is_some(), "{answer}");
}
