//! What clients get wrong, and what a client's mistakes cost: an error for them, nothing for others.

use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{ConfigDir, Gateway, RawClient, member};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// A gateway in front of one demo server, and a client that has seen its tools.
async fn gateway() -> (Gateway, RawClient) {
    let config =
        ConfigDir::new().config("http: {maxBodyBytes: 65536}\n").stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    (gateway, client)
}

/// The code and the message of a JSON-RPC error.
fn error_of(body: &str) -> (i64, String) {
    let value: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}"));
    let error = &value["error"];
    assert_eq!(value["jsonrpc"], "2.0", "{body}");
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no error: {body}"));
    (error["code"].as_i64().expect("a code"), message.to_owned())
}

async fn assert_refused(name: &str, mut response: Response, status: u16, code: i64, says: &str) {
    let body = response.text().await;
    assert_eq!(response.status, status, "{name}: {body}");
    let (found, message) = error_of(&body);
    assert_eq!(found, code, "{name}: {body}");
    assert!(message.contains(says), "{name}: {body}");
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_what_is_wrong_with_it() {
    let (_gateway, client) = gateway().await;
    let deep = request("tools/call", &format!("{}{}", "[".repeat(500), "]".repeat(500)));
    for (name, body, code, says) in [
        ("nothing", "", -32700, "JSON"),
        ("half of it", r#"{"jsonrpc":"2.0","id":1,"#, -32700, "JSON"),
        ("no JSON", "hello", -32700, "JSON"),
        ("something behind it", r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700, "JSON"),
        ("a number", "5", -32600, ""),
        ("a string", r#""ping""#, -32600, ""),
        ("null", "null", -32600, ""),
        ("no version", r#"{"id":1,"method":"ping"}"#, -32600, "jsonrpc"),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, "jsonrpc"),
        ("neither method nor result", r#"{"jsonrpc":"2.0","id":1}"#, -32600, ""),
        ("a null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, "id"),
        ("an object as id", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, "id"),
        ("a number as method", r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600, ""),
        (
            "params that are a string",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}"#,
            -32600,
            "params",
        ),
        (
            "result and error",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
            -32600,
            "",
        ),
        (
            "two methods",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
            -32600,
            "method",
        ),
        (
            "two methods, one escaped",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/list"}"#,
            -32600,
            "method",
        ),
        ("two ids", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, "id"),
        (
            "two params",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{},"params":{}}"#,
            -32600,
            "params",
        ),
        ("too deep", &deep, -32600, "deep"),
    ] {
        assert_refused(name, client.post(body).await, 400, code, says).await;
    }
    assert_refused(
        "not UTF-8",
        client.post(b"{\"jsonrpc\":\"\xff\"}".to_vec()).await,
        400,
        -32700,
        "JSON",
    )
    .await;
    assert_eq!(client.post(PING).await.status, 200, "the session is as good as before");
}

#[tokio::test]
async fn an_error_carries_the_id_of_the_request_wherever_it_can_be_read() {
    let (_gateway, client) = gateway().await;
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":"seven","method":5}"#, r#""seven""#),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, "7"),
        (&request("no/such", "{}"), "7"),
        (&request("tools/call", "{}"), "7"),
    ] {
        let answer = client.post(body).await.text().await;
        assert_eq!(member(&answer, "id"), Some(id), "{body}: {answer}");
    }
}

#[tokio::test]
async fn names_and_parameters_that_mean_nothing_are_errors_that_say_which() {
    let (_gateway, client) = gateway().await;
    for (name, method, params, code, says) in [
        ("an unknown tool", "tools/call", r#"{"name":"x_demo_nope"}"#, -32602, "x_demo_nope"),
        ("an unknown prompt", "prompts/get", r#"{"name":"nope"}"#, -32602, "nope"),
        (
            "an unknown resource",
            "resources/read",
            r#"{"uri":"demo://nope/x"}"#,
            -32002,
            "not found",
        ),
        ("an unknown method", "no/such", "{}", -32601, "no/such"),
        ("a method of clients", "sampling/createMessage", "{}", -32601, "sampling/createMessage"),
        ("no name", "tools/call", "{}", -32602, "name"),
        ("a number as name", "tools/call", r#"{"name":5}"#, -32602, "name"),
        (
            "two names",
            "tools/call",
            r#"{"name":"x_demo_echo","name":"x_demo_fail"}"#,
            -32602,
            "name",
        ),
        (
            "two names, one escaped",
            "tools/call",
            r#"{"name":"x_demo_echo","n\u0061me":"x_demo_fail"}"#,
            -32602,
            "name",
        ),
        (
            "two uris",
            "resources/read",
            r#"{"uri":"demo://readme","uri":"demo://item/1"}"#,
            -32602,
            "uri",
        ),
        (
            "two arguments",
            "tools/call",
            r#"{"name":"x_demo_echo","arguments":{},"arguments":{}}"#,
            -32602,
            "arguments",
        ),
        ("null as uri", "resources/read", r#"{"uri":null}"#, -32602, "uri"),
        ("a number as cursor", "tools/list", r#"{"cursor":5}"#, -32602, "cursor"),
        ("a stranger's cursor", "tools/list", r#"{"cursor":"zzz"}"#, -32602, "cursor"),
        ("an unknown level", "logging/setLevel", r#"{"level":"loud"}"#, -32602, "loud"),
        ("a number as level", "logging/setLevel", r#"{"level":3}"#, -32602, ""),
        (
            "an object as progress token",
            "tools/call",
            r#"{"name":"x_demo_echo","arguments":{"message":"x"},"_meta":{"progressToken":{}}}"#,
            -32602,
            "progressToken",
        ),
        (
            "a reference to nothing",
            "completion/complete",
            r#"{"ref":{"type":"ref/nothing"},"argument":{"name":"a","value":"b"}}"#,
            -32602,
            "",
        ),
    ] {
        let response = client.post(request(method, params)).await;
        assert_refused(name, response, 200, code, says).await;
    }
    let wrong = client.call_tool("x_demo_echo", &json!({"message": 5})).await;
    assert!(wrong.contains(r#""isError":true"#), "the backend judges its own arguments: {wrong}");
}

#[tokio::test]
async fn initialize_with_wrong_parameters_opens_no_session() {
    let (gateway, _client) = gateway().await;
    for params in [
        "{}",
        r#"{"protocolVersion":5,"capabilities":{}}"#,
        r#"{"protocolVersion":"2025-11-25","capabilities":"all"}"#,
        r#"{"protocolVersion":"2025-11-25","protocolVersion":"2025-03-26","capabilities":{}}"#,
    ] {
        let mut response = Request::new("POST", gateway.url())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(request("initialize", params))
            .send()
            .await;
        let body = response.text().await;
        assert!(response.status < 500, "{params}: {body}");
        assert_eq!(error_of(&body).0, -32602, "{params}: {body}");
        assert_eq!(response.header("mcp-session-id"), None, "{params}");
    }
}

#[tokio::test]
async fn batches_are_for_those_who_speak_2025_03_26() {
    let (gateway, client) = gateway().await;
    let body = format!("[{PING}]");
    assert_refused("a batch", client.post(body.clone()).await, 400, -32600, "2025-03-26").await;

    let old = RawClient::connect_at(gateway.url(), "2025-03-26", &json!({})).await;
    let call = request("tools/call", r#"{"name":"x_demo_echo","arguments":{"message":"hi"}}"#);
    let hello = request("initialize", r#"{"protocolVersion":"2025-03-26","capabilities":{}}"#);
    let mixed = format!(
        r#"[{PING}, 5, {call}, {hello}, {{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":99}}}}]"#
    );
    let mut response = old.post(mixed).await;
    assert_eq!(response.status, 200);
    let answers: Vec<Value> = serde_json::from_str(&response.text().await).expect("an array");
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[0]["result"], json!({}), "{answers:?}");
    assert_eq!(answers[1]["error"]["code"], -32600, "{answers:?}");
    assert_eq!(answers[1]["id"], Value::Null, "{answers:?}");
    assert_eq!(answers[2]["result"]["content"][0]["text"], "hi", "{answers:?}");
    assert_eq!(answers[3]["error"]["code"], -32600, "{answers:?}");

    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(old.post(format!("[{notification},{notification}]")).await.status, 202);
    let full = format!("[{}]", [PING; 32].join(","));
    let answers: Vec<Value> = serde_json::from_str(&old.post(full).await.text().await).unwrap();
    assert_eq!(answers.len(), 32);
    let many = format!("[{}]", [PING; 33].join(","));
    assert_refused("33 messages", old.post(many).await, 400, -32600, "32").await;
    assert_refused("no messages", old.post("[]").await, 400, -32600, "at least one").await;
    assert_refused("half a batch", old.post(format!("[{PING},")).await, 400, -32700, "JSON").await;
}
