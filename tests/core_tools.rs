//! What the core tools answer.

use std::time::Duration;

use portcullis_test_support::{Backend, ConfigDir, Gateway, RawClient, within};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const SESSION_KEY: &str = "73657361736d652d6b65792d73657361736d652d6b65792d73657361736d652d";

/// A gateway with servers in every state, and secrets wherever a definition can have some.
struct House {
    gateway: Gateway,
    client: RawClient,
    config: ConfigDir,
    web: Backend,
}

impl House {
    async fn start() -> Self {
        let web = Backend::demo_http(BINARY).await;
        let config = ConfigDir::new()
            .config("aggregator: {exposure: both}\nsessions: {keyFiles: [key]}\ndenylist: {block: [{backend: pipe, tool: slow}]}\n")
            .file("key", SESSION_KEY)
            .server("pipe", &json!({
                "type": "stdio", "command": "portcullis", "args": ["demo-server"],
                "autoStart": true, "toolPrefix": "p", "description": "A child",
                "env": {"API_KEY": "sesame-env", "LEVEL": "sesame-level"},
            }))
            .server("web", &json!({
                "type": "streamable-http", "url": format!("{}?key=sesame-query", web.url()),
                "autoStart": true, "timeout": 20, "headers": {"Authorization": "Bearer sesame-header"},
                "family": {"name": "net", "instanceArg": "where"},
            }))
            .server("broken", &json!({
                "type": "stdio", "command": "/bin/sh", "autoStart": true,
                "args": ["-c", "echo $TOKEN $1 $2 >&2; exit 3", "--token=sesame-flag", "--key", "sesame-next"],
                "env": {"TOKEN": "sesame-stderr"},
            }))
            .server("absent", &json!({
                "type": "stdio", "command": "/no/such/program", "autoStart": true,
            }))
            .server("off", &json!({
                "type": "streamable-http", "url": "https://example.com/${HIDDEN}/mcp?key=sesame-off",
                "headers": {"X-Key": "sesame-off"},
            }))
            .server("wrong", &json!({
                "type": "stdio", "command": ["npx", "--token", "sesame-list"], "env": "sesame-kind",
                "url": "https://me:sesame-user@example.com/mcp",
            }));
        let gateway = Gateway::start_with(BINARY, config.path(), |command| {
            command.env("HIDDEN", "sesame-path");
        })
        .await;
        let client = gateway.client_that_sees(&["x_p_echo", "x_net_echo"]).await;
        let house = Self { gateway, client, config, web };
        within("every server is up or has failed", house.settled()).await;
        house
    }

    async fn settled(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while self.call("core_service_list", &json!({})).await.1.contains("\"starting\"") {
            ticks.tick().await;
        }
    }

    /// Whether the result is an error, and its text.
    async fn call(&self, tool: &str, arguments: &Value) -> (bool, String) {
        let answer = self.client.call_tool(tool, arguments).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned();
        (result["isError"] == true, text)
    }

    /// One call and its answer, as a golden file has it.
    async fn told(&self, tool: &str, arguments: &Value) -> String {
        let (is_error, text) = self.call(tool, arguments).await;
        let path = self.config.path().to_str().expect("UTF-8");
        let text = text
            .replace(self.gateway.origin(), "http://GATEWAY")
            .replace(self.web.url(), "http://WEB/mcp")
            .replace(path, "CONFIG");
        format!("{tool} {arguments}{}\n{text}\n\n", if is_error { " fails" } else { "" })
    }

    async fn all_told(&self, calls: &[(&str, Value)]) -> String {
        let mut told = String::new();
        for (tool, arguments) in calls {
            told += &self.told(tool, arguments).await;
        }
        told
    }
}

#[tokio::test]
async fn what_core_tools_answer_is_written_down() {
    let house = House::start().await;
    let mcpservers = [
        ("core_mcpserver_list", json!({})),
        ("core_mcpserver_list", json!({"showAll": true, "verbose": true})),
        ("core_mcpserver_list", json!({"showAll": "yes"})),
        ("core_mcpserver_list", json!({"all": true})),
        ("core_mcpserver_get", json!({"name": "web"})),
        ("core_mcpserver_get", json!({"name": "broken"})),
        ("core_mcpserver_get", json!({"name": "wrong"})),
        ("core_mcpserver_get", json!({"name": "nobody"})),
        ("core_mcpserver_get", json!({})),
    ];
    insta::assert_snapshot!("mcpserver", house.all_told(&mcpservers).await);
    let services = [
        ("core_service_list", json!({})),
        ("core_service_list", json!({"name": "web"})),
        ("core_service_status", json!({"name": "mcp-aggregator"})),
        ("core_service_status", json!({"name": "pipe"})),
        ("core_service_status", json!({"name": "off"})),
        ("core_service_status", json!({"name": "absent"})),
        ("core_service_status", json!({"name": "nobody"})),
        ("core_service_status", json!({"name": 5})),
        ("core_service_status", json!({})),
    ];
    insta::assert_snapshot!("service", house.all_told(&services).await);
    let config = [("core_config_get", json!({})), ("core_config_get", json!({"key": "http"}))];
    insta::assert_snapshot!("config", house.all_told(&config).await);
}

/// The tools of Portcullis itself that change nothing, and `call_tool`, which only passes on.
async fn own_tools(client: &RawClient) -> Vec<Value> {
    let list = client.call("tools/list", &json!({})).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let tools = list["result"]["tools"].as_array().expect("tools").clone();
    let is_own = |tool: &Value| {
        let name = tool["name"].as_str().expect("a name");
        let changes = tool["annotations"]["readOnlyHint"] != true && name != "call_tool";
        !name.starts_with("x_") && !changes
    };
    tools.into_iter().filter(is_own).collect()
}

/// Arguments with which a tool gets as far as it can: everything is asked for, about `subject`.
fn arguments(tool: &Value, subject: &str) -> Value {
    let required = tool["inputSchema"]["required"].as_array().cloned().unwrap_or_default();
    let properties = tool["inputSchema"]["properties"].as_object().expect("properties");
    let given = properties.iter().filter_map(|(name, schema)| match schema["type"].as_str() {
        Some("boolean") => Some((name.clone(), json!(true))),
        Some("string") if required.contains(&json!(name)) => Some((name.clone(), json!(subject))),
        _ => None,
    });
    Value::Object(given.collect())
}

#[tokio::test]
async fn no_answer_of_any_tool_of_ours_holds_a_secret() {
    let house = House::start().await;
    let tools = own_tools(&house.client).await;
    let names: Vec<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(names.contains(&"core_config_get") && names.contains(&"call_tool"), "{names:?}");
    let servers = ["pipe", "web", "broken", "absent", "off", "wrong"];
    let others = ["mcp-aggregator", "x_p_echo", "x_net_echo", "demo://readme", "x_p_greet"];
    let mut answers = Vec::new();
    for tool in &tools {
        let name = tool["name"].as_str().expect("a name");
        for subject in servers.iter().chain(&others).chain(&names) {
            let arguments = arguments(tool, subject);
            let answer = house.client.call_tool(name, &arguments).await;
            answers.push((format!("{name} {arguments}"), answer));
            if name.starts_with("core_") {
                let wrapped = json!({"name": name, "arguments": arguments});
                let answer = house.client.call_tool("call_tool", &wrapped).await;
                answers.push((format!("call_tool {wrapped}"), answer));
            }
        }
    }
    for tool in ["x_p_echo", "x_net_echo", "x_broken_echo", "x_off_echo"] {
        let answer = house.client.call_tool(tool, &json!({})).await;
        answers.push((tool.to_owned(), answer));
    }
    assert!(
        answers.iter().any(|(_, answer)| answer.contains("exited with status 3")),
        "{answers:?}"
    );
    for (call, answer) in answers {
        assert!(!answer.contains("sesame") && !answer.contains(SESSION_KEY), "{call}: {answer}");
    }
}
