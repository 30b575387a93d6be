//! What each meta-tool answers, to what is right and to what is wrong.

use std::fmt::Write;

use portcullis_test_support::{ConfigDir, Gateway, RawClient, member, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

fn demo() -> Value {
    json!({"type": "stdio", "command": "portcullis", "args": ["demo-server"], "autoStart": true})
}

/// A demo server alone, two that are a family, and a server that nobody can reach.
async fn gateway() -> (Gateway, RawClient) {
    let mut twin = demo();
    twin["family"] = json!({"name": "twins", "instanceArg": "side"});
    let config = ConfigDir::new()
        .config("aggregator: {exposure: meta}\n")
        .server("demo", &demo())
        .server("left", &twin)
        .server("right", &twin)
        .http("down", "http://127.0.0.1:1/mcp", &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_demo_echo", "x_twins_echo", "left", "right"]).await;
    within("a server that could not be reached", async {
        let status = json!({"uri": "auth://status"});
        while !client.call_tool("get_resource", &status).await.contains("refused") {}
    })
    .await;
    (gateway, client)
}

/// What calls of a tool come to, as people would read it: the text of a result that is nothing but
/// text, else all of it.
async fn told(client: &RawClient, tool: &str, calls: &[Value]) -> String {
    let mut told = String::new();
    for arguments in calls {
        let answer = client.call_tool(tool, arguments).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let result = &answer["result"];
        let text = &result["content"][0]["text"];
        let plain = json!({"content": [{"type": "text", "text": text}]});
        let mut error = plain.clone();
        error["isError"] = json!(true);
        let shown = match text.as_str() {
            Some(text) if *result == plain => text.to_owned(),
            Some(text) if *result == error => format!("(an error) {text}"),
            _ => format!("{answer:#}", answer = if result.is_null() { &answer } else { result }),
        };
        writeln!(told, "> {tool} {arguments}\n{shown}\n").expect("a string takes everything");
    }
    told
}

macro_rules! golden {
    ($client:expr, $($tool:literal: [$($arguments:tt),* $(,)?]),* $(,)?) => {$(
        let answers = told($client, $tool, &[$(json!($arguments)),*]).await;
        insta::with_settings!({omit_expression => true}, {
            insta::assert_snapshot!($tool, answers);
        });
    )*};
}

#[tokio::test]
async fn every_meta_tool_answers_as_it_always_did() {
    let (_gateway, client) = gateway().await;
    golden!(
        &client,
        "list_tools": [
            {}, {"limit": 2, "offset": 1}, {"offset": 100}, {"limit": 2.0},
            {"limit": "2"}, {"limit": 0}, {"limit": 1.5}, {"offset": -1}, {"page": 2},
        ],
        "describe_tool": [
            {"name": "x_demo_add"}, {"name": "x_twins_slow"},
            {}, {"name": 5}, {"name": ""}, {"name": "nothing"}, {"name": "list_tools"}, {"name": "x_down_a"},
        ],
        "list_core_tools": [{"include_schema": false}, {"include_schema": "no"}],
        "filter_tools": [
            {"query": "add numbers"},
            {"pattern": "X_Demo_*", "limit": 2},
            {"pattern": "X_Demo_*", "case_sensitive": true},
            {"pattern": "x_*_[a-e]*", "description_filter": "MESSAGE", "include_schema": true},
            {"query": "message back", "offset": 1, "limit": 1},
            {"labels": {"area": "maths", "level": 1}},
            {"query": "!"}, {"pattern": "["}, {"limit": 0}, {"labels": "area"}, {"case_sensitive": "yes"},
        ],
        "list_resources": [{}, {"server": "demo"}],
        "describe_resource": [
            {"uri": "demo://readme"}, {"uri": "demo://item/{id}"}, {"uri": "auth://status"},
            {}, {"uri": "nothing://here"},
        ],
        "list_prompts": [{}],
        "describe_prompt": [{"name": "x_demo_greet"}, {}, {"name": "nothing"}, {"name": "x_down_a"}],
        "call_tool": [
            {"name": "x_demo_echo", "arguments": {"message": "hello"}},
            {"name": "x_demo_add", "arguments": {"a": 2, "b": 40}},
            {"name": "x_demo_fail"},
            {"name": "x_twins_echo", "arguments": {"message": "hello", "side": "left"}},
            {"name": "x_twins_echo", "arguments": {"message": "hello"}},
            {"name": "x_twins_echo", "arguments": {"message": "hello", "side": "middle"}},
            {"name": "x_demo_echo", "arguments": {}},
            {}, {"name": 5}, {"name": null}, {"name": "nothing"}, {"name": "list_tools"},
            {"name": "call_tool", "arguments": {"name": "x_demo_echo", "arguments": {"message": "hello"}}},
            {"name": "x_demo_echo", "arguments": "hello"},
            {"name": "x_demo_echo", "args": {"message": "hello"}},
        ],
        "get_resource": [
            {"uri": "demo://item/apple"}, {"uri": "auth://status"},
            {}, {"uri": ["a"]}, {"uri": "nothing://here"},
        ],
        "get_prompt": [
            {"name": "x_demo_greet", "arguments": {"who": "Ada"}},
            {"name": "x_demo_greet"}, {"name": "x_demo_greet", "arguments": ["Ada"]},
            {}, {"name": "nothing"},
        ],
    );
}

#[tokio::test]
async fn an_empty_gateway_says_so() {
    let config = ConfigDir::new().config("aggregator: {exposure: meta}\n");
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = RawClient::connect(gateway.url(), &json!({})).await;
    for (tool, said) in [
        ("list_prompts", "No prompts available"),
        ("list_tools", "\"truncated\": false"),
        ("list_resources", "auth://status"),
    ] {
        let told = told(&client, tool, &[json!({})]).await;
        assert!(told.contains(said), "{told}");
    }
    let status = told(&client, "get_resource", &[json!({"uri": "auth://status"})]).await;
    assert!(status.contains(r#"\"servers\": []"#), "{status}");
}

#[tokio::test]
async fn the_meta_tools_are_described_as_they_always_were() {
    let (_gateway, client) = gateway().await;
    let list = client.call("tools/list", &json!({})).await;
    let list: Value =
        serde_json::from_str(member(&list, "result").expect("a result")).expect("JSON");
    let list = format!("{list:#}");
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!("tools_list", list);
    });
}

#[tokio::test]
async fn what_is_too_deep_or_too_long_is_refused_whoever_it_is_for() {
    let (_gateway, client) = gateway().await;
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"call_tool","arguments":{{"name":"x_demo_echo","arguments":{{"message":{open}{close}}}}}}}}}"#
        )
    };
    // The tool's own arguments are at the fifth level of the message.
    for (depth, status) in [(124, 200), (125, 400), (10_000, 400)] {
        assert_eq!(client.post(nested(depth)).await.status, status, "{depth}");
    }
    let long = "x".repeat(5 << 20);
    let call = json!({"name": "x_demo_echo", "arguments": {"message": long}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "call_tool", "arguments": call}});
    assert_eq!(client.post(message.to_string()).await.status, 413);
    let long = "n".repeat(100_000);
    for tool in ["call_tool", "describe_tool", "describe_prompt", "get_prompt"] {
        let answer = client.call_tool(tool, &json!({"name": long})).await;
        assert!(answer.contains(r#""isError":true"#) && answer.contains("not found"), "{tool}");
    }
    for name in ["pattern", "description_filter", "query"] {
        let fits = client.call_tool("filter_tools", &json!({name: "*zq*".repeat(250)})).await;
        assert!(fits.contains(r#"\"total\": 0"#), "{name}: {fits}");
        let longer = client.call_tool("filter_tools", &json!({name: "*zq*".repeat(251)})).await;
        assert!(longer.contains(&format!("{name} is longer than 1000 bytes")), "{longer}");
    }
}

#[tokio::test]
async fn an_argument_that_stands_there_twice_is_taken_for_neither() {
    let (_gateway, client) = gateway().await;
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"call_tool","arguments":{"name":"x_demo_fail","n\u0061me":"x_demo_echo","arguments":{}}}}"#;
    let answer = client.post(message).await.text().await;
    assert!(answer.contains("name stands there twice"), "{answer}");
}
