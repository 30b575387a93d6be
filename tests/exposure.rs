//! What `/mcp` lists, and that every name can be used whatever it lists.

use std::collections::BTreeSet;

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, member, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const META: [&str; 11] = [
    "call_tool",
    "describe_prompt",
    "describe_resource",
    "describe_tool",
    "filter_tools",
    "get_prompt",
    "get_resource",
    "list_core_tools",
    "list_prompts",
    "list_resources",
    "list_tools",
];
const IMAGE: &str = "x_everything_get-tiny-image";

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// `server-everything` with a connection for each session, a demo server, and a client that can find both.
async fn gateway(peers: &Peers, exposure: &str) -> (Backend, Gateway, RawClient) {
    let everything = Backend::everything_http(peers).await;
    let config = ConfigDir::new()
        .config(&format!("aggregator: {{exposure: {exposure}}}\nhttp: {{keepAlive: 1s}}\n"))
        .http("everything", everything.url(), &json!({"isolation": "session"}))
        .stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_everything_echo", "x_demo_echo"]).await;
    (everything, gateway, client)
}

fn result(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// What one list names, over all its pages.
async fn listed(client: &RawClient, method: &str, field: &str, key: &str) -> Vec<String> {
    let (mut names, mut params) = (Vec::new(), json!({}));
    loop {
        let page = result(&client.call(method, &params).await);
        let items = page[field].as_array().expect("a list");
        names.extend(items.iter().map(|item| item[key].as_str().expect("a name").to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => break,
        }
    }
    names.sort();
    names
}

/// The text of the first content of a call's result.
async fn said(client: &RawClient, tool: &str, arguments: &Value) -> String {
    let result = result(&client.call_tool(tool, arguments).await);
    assert_ne!(result["isError"], true, "{tool} {arguments}: {result}");
    result["content"][0]["text"].as_str().expect("a text").to_owned()
}

/// What a tool said, out of the envelope of `call_tool`.
async fn called(client: &RawClient, tool: &str, arguments: &Value) -> Value {
    let text = said(client, "call_tool", &json!({"name": tool, "arguments": arguments})).await;
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn every_name_can_be_used_whatever_is_listed() {
    let Some(peers) = Peers::installed() else { return };
    for (exposure, shows_meta, shows_native) in
        [("meta", true, false), ("native", false, true), ("both", true, true)]
    {
        let (_backend, _gateway, client) = gateway(&peers, exposure).await;
        let tools = listed(&client, "tools/list", "tools", "name").await;
        let has = |name: &str| tools.iter().any(|tool| tool == name);
        if exposure == "meta" {
            assert_eq!(tools, META);
        }
        for tool in META {
            assert_eq!(has(tool), shows_meta, "{exposure}: {tool}");
        }
        for tool in ["x_everything_echo", "x_demo_echo"] {
            assert_eq!(has(tool), shows_native, "{exposure}: {tool}");
        }
        let resources = listed(&client, "resources/list", "resources", "uri").await;
        assert!(resources.contains(&"auth://status".to_owned()), "{exposure}: {resources:?}");
        assert_eq!(resources.len() > 1, shows_native, "{exposure}: {resources:?}");
        let prompts = listed(&client, "prompts/list", "prompts", "name").await;
        assert_eq!(prompts.is_empty(), !shows_native, "{exposure}: {prompts:?}");
        let templates =
            listed(&client, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
        assert_eq!(templates.is_empty(), !shows_native, "{exposure}: {templates:?}");
        use_everything(&client).await;
    }
}

/// Finds and uses all there is, by meta-tools and by its own name.
async fn use_everything(client: &RawClient) {
    let mut found = Vec::new();
    loop {
        let arguments = json!({"limit": 5, "offset": found.len()});
        let page = said(client, "list_tools", &arguments).await;
        let page: Value = serde_json::from_str(&page).expect("JSON");
        found.extend(page["tools"].as_array().expect("tools").clone());
        assert_eq!(
            page["truncated"],
            (found.len() as u64) < page["total"].as_u64().expect("a number")
        );
        if page["truncated"] == false {
            break;
        }
    }
    for tool in &found {
        let name = tool["name"].as_str().expect("a name");
        assert!(tool["server"].is_string() && tool["kind"].is_string(), "{tool}");
        let described = said(client, "describe_tool", &json!({"name": name})).await;
        let described: Value = serde_json::from_str(&described).expect("JSON");
        assert_eq!(described["name"], name);
        assert!(described["inputSchema"].is_object(), "{described}");
    }
    for tool in ["x_everything_echo", "x_demo_echo"] {
        let arguments = json!({"message": "hello"});
        let direct = said(client, tool, &arguments).await;
        assert_eq!(called(client, tool, &arguments).await["content"][0]["text"], direct);
    }
    let resources = said(client, "list_resources", &json!({})).await;
    let resources: Value = serde_json::from_str(&resources).expect("JSON");
    for uri in resources.as_array().expect("a list").iter().filter_map(|it| it["uri"].as_str()) {
        let direct = result(&client.call("resources/read", &json!({"uri": uri})).await);
        let wrapped = said(client, "get_resource", &json!({"uri": uri})).await;
        assert_eq!(wrapped, direct["contents"][0]["text"].as_str().expect("a text"), "{uri}");
    }
    let prompts = said(client, "list_prompts", &json!({})).await;
    let prompts: Value = serde_json::from_str(&prompts).expect("JSON");
    assert!(prompts.as_array().expect("a list").len() > 3, "{prompts}");
    for (name, arguments) in [
        ("x_everything_args-prompt", json!({"city": "Ulm"})),
        ("x_demo_greet", json!({"who": "Ada"})),
    ] {
        let params = json!({"name": name, "arguments": arguments});
        let direct = result(&client.call("prompts/get", &params).await);
        let wrapped: Value =
            serde_json::from_str(&said(client, "get_prompt", &params).await).expect("JSON");
        assert_eq!(wrapped, direct["messages"], "{name}");
    }
}

#[tokio::test]
async fn what_a_tool_answers_is_in_the_envelope_byte_for_byte() {
    let Some(peers) = Peers::installed() else { return };
    let (_backend, _gateway, client) = gateway(&peers, "meta").await;
    for (tool, arguments) in [
        ("x_everything_echo", json!({"message": "Grüße \u{0} \u{1f600} \"quoted\" \\ </script>"})),
        (IMAGE, json!({})),
        ("x_everything_get-structured-content", json!({"location": "New York"})),
        (
            "x_everything_get-annotated-message",
            json!({"messageType": "error", "includeImage": true}),
        ),
        ("x_everything_get-resource-links", json!({"count": 3})),
        ("x_everything_get-resource-reference", json!({"resourceType": "Blob", "resourceId": 1})),
        ("x_everything_get-sum", json!({"a": "two"})),
        ("x_demo_fail", json!({})),
    ] {
        let direct = client.call_tool(tool, &arguments).await;
        let direct = member(&direct, "result").expect("a result");
        let params = json!({"name": tool, "arguments": arguments});
        let wrapped = client.call_tool("call_tool", &params).await;
        let outer = member(&wrapped, "result").expect("a result");
        let text = result(&wrapped)["content"][0]["text"].as_str().expect("a text").to_owned();
        for name in ["content", "structuredContent", "_meta"] {
            assert_eq!(member(direct, name), member(&text, name), "{tool}: {name}");
        }
        for name in ["structuredContent", "_meta"] {
            assert_eq!(member(direct, name), member(outer, name), "{tool}: {name} outside");
        }
        let is_error = member(direct, "isError").unwrap_or("false");
        assert_eq!(
            [member(&text, "isError"), member(outer, "isError")],
            [Some(is_error); 2],
            "{tool}"
        );
    }
    let blob = json!({"uri": "demo://resource/dynamic/blob/1"});
    let direct = client.call("resources/read", &blob).await;
    let direct = result(&direct)["contents"].clone();
    let wrapped = result(&client.call_tool("get_resource", &blob).await);
    assert!(direct[0]["blob"].is_string(), "{direct}");
    assert_eq!(wrapped["content"], json!([{"type": "resource", "resource": direct[0]}]));
}

#[tokio::test]
async fn what_is_said_during_a_call_passes_and_the_answer_is_wrapped() {
    let Some(peers) = Peers::installed() else { return };
    let (_backend, gateway, client) = gateway(&peers, "meta").await;
    let call = json!({
        "name": "call_tool", "_meta": {"progressToken": "token"},
        "arguments": {"name": "x_everything_trigger-long-running-operation", "arguments": {"duration": 0.4, "steps": 4}},
    });
    let mut messages = client.start("tools/call", &call).await.messages().await;
    let answer = result(&messages.pop().expect("an answer"));
    let inner: Value =
        serde_json::from_str(answer["content"][0]["text"].as_str().expect("a text")).expect("JSON");
    assert!(inner["content"][0]["text"].as_str().expect("a text").contains("Steps: 4"), "{inner}");
    let steps: Vec<Value> =
        messages.iter().map(|message| serde_json::from_str(message).expect("JSON")).collect();
    let steps: Vec<_> = steps
        .iter()
        .map(|it| (&it["params"]["progressToken"], &it["params"]["progress"]))
        .collect();
    let expected = [1, 2, 3, 4].map(|step| (json!("token"), json!(step)));
    assert_eq!(steps, expected.each_ref().map(|(token, step)| (token, step)));

    let asked = RawClient::connect(gateway.url(), &json!({"sampling": {}})).await;
    let call = json!({
        "name": "call_tool",
        "arguments": {"name": "x_everything_trigger-sampling-request", "arguments": {"prompt": "why", "maxTokens": 10}},
    });
    let mut exchange = asked.start("tools/call", &call).await;
    let question = exchange.message().await.expect("a request for sampling");
    let content = json!({"type": "text", "text": "because"});
    asked.answer(&question, &json!({"role": "assistant", "model": "m", "content": content})).await;
    let answer = result(&exchange.response_message().await);
    assert!(answer["content"][0]["text"].as_str().expect("a text").contains("because"), "{answer}");
}

#[tokio::test]
async fn a_client_finds_what_its_own_connection_offers() {
    let Some(peers) = Peers::installed() else { return };
    let (_backend, gateway, client) = gateway(&peers, "meta").await;
    let sampling = json!({"name": "x_everything_trigger-sampling-request"});
    let told = client.call_tool("describe_tool", &sampling).await;
    assert!(told.contains("Tool not found"), "{told}");
    let asked = RawClient::connect(gateway.url(), &json!({"sampling": {}})).await;
    let told = said(&asked, "describe_tool", &sampling).await;
    assert!(told.contains("inputSchema"), "{told}");
}

#[tokio::test]
async fn a_call_that_is_cancelled_ends_at_the_server_too() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new()
        .config("aggregator: {exposure: meta}\nhttp: {keepAlive: 1s}\n")
        .stdio("odd", &peers.misbehave_stdio(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_odd_hang"]).await;
    let call = json!({"name": "call_tool", "arguments": {"name": "x_odd_hang"}});
    let mut exchange = client.start("tools/call", &call).await;
    client.notify("notifications/cancelled", &json!({"requestId": exchange.id})).await;
    within("the end of the stream", async { while exchange.response.event().await.is_some() {} })
        .await;
    let heard = json!({"name": "x_odd_heard"});
    within("a server that hears of it", async {
        while !said(&client, "call_tool", &heard).await.contains("notifications/cancelled") {}
    })
    .await;
}

#[tokio::test]
async fn a_client_that_comes_back_for_its_answer_gets_it_wrapped() {
    let config = ConfigDir::new()
        .config("aggregator: {exposure: meta}\nhttp: {keepAlive: 1s}\n")
        .stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_demo_slow"]).await;
    let call = json!({
        "name": "call_tool", "_meta": {"progressToken": "token"},
        "arguments": {"name": "x_demo_slow", "arguments": {"ms": 1500}},
    });
    let mut exchange = client.start("tools/call", &call).await;
    let last = within("an event with an id", async {
        loop {
            let event = exchange.response.event().await.expect("the stream goes on");
            if let Some(id) = event.id {
                return id;
            }
        }
    })
    .await;
    drop(exchange);
    let mut resumed = client.resume(&last).await;
    let answer = within("the answer", async {
        loop {
            let event = resumed.event().await.expect("the stream goes on");
            if let Some(answer) = event.message().filter(|it| it.contains("\"result\"")) {
                return answer.to_owned();
            }
        }
    })
    .await;
    let text = result(&answer)["content"][0]["text"].clone();
    assert_eq!(text, r#"{"isError":false,"content":[{"type":"text","text":"took 1500 ms"}]}"#);
}

#[tokio::test]
async fn a_server_that_dies_or_talks_nonsense_is_an_error_in_the_envelope() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().config("aggregator: {exposure: meta}\n").stdio(
        "odd",
        &peers.misbehave_stdio(),
        &json!({"callTimeout": "300ms"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_odd_hang"]).await;
    for (tool, says) in [
        ("x_odd_hang", "Tool execution failed: backend odd was silent for 0.3 s"),
        ("x_odd_die", "Tool execution failed: backend odd went away before it answered"),
    ] {
        let answer = result(&client.call_tool("call_tool", &json!({"name": tool})).await);
        let text = answer["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains(says) && text.contains(r#""isError":true"#), "{tool}: {answer}");
        assert_eq!(answer["isError"], true, "{tool}");
        assert!(answer["_meta"]["io.portcullis/error"]["code"].is_i64(), "{answer}");
    }
}

#[tokio::test]
async fn a_limit_is_an_error_in_the_envelope_and_says_when_to_come_back() {
    let config = ConfigDir::new()
        .config(
            "aggregator: {exposure: meta}\n\
             toolLimits: [{tool: echo, per: all, perSecond: 0.001, burst: 1}]\n",
        )
        .stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_finds(&["x_demo_echo"]).await;
    let arguments = json!({"message": "hello"});
    assert_eq!(called(&client, "x_demo_echo", &arguments).await["isError"], false);
    let call = json!({"name": "x_demo_echo", "arguments": arguments});
    let refused = result(&client.call_tool("call_tool", &call).await);
    let text = refused["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("Tool execution failed: ") && text.contains("toolLimits[0]"), "{text}");
    assert_eq!(refused["isError"], true);
    let data = &refused["_meta"]["io.portcullis/error"]["data"];
    assert!(data["retryAfter"].as_u64().is_some_and(|seconds| seconds > 900), "{refused}");
}

#[tokio::test]
async fn many_tools_are_listed_page_by_page_and_searched() {
    const SERVERS: usize = 20;
    let mut config = ConfigDir::new().config("aggregator: {exposure: meta}\n");
    for number in 0..SERVERS {
        config = config.stdio(&format!("demo{number}"), &demo(), &json!({}));
    }
    let gateway = Gateway::start(BINARY, config.path()).await;
    let names: Vec<_> = (0..SERVERS).map(|number| format!("x_demo{number}_add")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let client = gateway.client_that_finds(&names).await;
    let (mut seen, mut offset, mut is_truncated) = (BTreeSet::new(), 0, true);
    while is_truncated {
        let arguments = json!({"offset": offset, "limit": 33});
        let page = said(&client, "list_tools", &arguments).await;
        let page: Value = serde_json::from_str(&page).expect("JSON");
        let tools = page["tools"].as_array().expect("tools").clone();
        let backends = tools.iter().filter(|tool| tool["kind"] == "backend");
        seen.extend(backends.map(|tool| tool["name"].to_string()));
        offset += tools.len();
        is_truncated = page["truncated"] == true;
    }
    assert_eq!(seen.len(), 4 * SERVERS);
    let arguments = json!({"query": "demo7 numbers", "limit": 1});
    let found = said(&client, "filter_tools", &arguments).await;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["tools"][0]["name"], "x_demo7_add", "{found:#}");
    assert_eq!(found["truncated"], true, "{found:#}");
}

#[tokio::test]
async fn the_tool_for_a_task_is_found_first() {
    let Some(peers) = Peers::installed() else { return };
    let (_backend, _gateway, client) = gateway(&peers, "meta").await;
    let found = said(&client, "filter_tools", &json!({"query": "sum of two numbers"})).await;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["tools"][0]["name"], "x_everything_get-sum", "{found:#}");
    assert!(found["tools"][0]["score"].as_f64().expect("a score") > 1.0, "{found:#}");
}
