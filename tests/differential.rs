//! What a client sees through the gateway is what it sees direct.

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, member};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
/// The gateway answers for names it does not know; what the backend would have said is not asked.
const ASKED_OF_THE_GATEWAY: &str = "unknownTool,unknownPrompt";

/// A gateway before `server-everything`, which keeps what it knows of a client by session.
async fn everything(peers: &Peers) -> (Backend, Gateway) {
    let backend = Backend::everything_http(peers).await;
    let config = ConfigDir::new().config("aggregator: {exposure: native}\n").http(
        "everything",
        backend.url(),
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_everything_echo"]).await;
    (backend, gateway)
}

fn assert_same_transcript(direct: &Value, through: &Value) {
    let (direct, through) = (direct.as_array().expect("steps"), through.as_array().expect("steps"));
    for (direct, through) in direct.iter().zip(through) {
        assert_eq!(direct, through, "step {}", direct[0]);
    }
    assert_eq!(direct.len(), through.len());
}

#[tokio::test]
async fn a_conversation_of_the_typescript_sdk_has_the_same_transcript() {
    let Some(peers) = Peers::installed() else { return };
    let (backend, gateway) = everything(&peers).await;
    let options = ["--skip", ASKED_OF_THE_GATEWAY];
    let direct = peers.conversation(backend.url(), &options).await;
    let through = peers.conversation(&gateway.server_url("everything"), &options).await;
    assert_same_transcript(&direct, &through);
}

#[tokio::test]
async fn a_conversation_of_the_python_sdk_has_the_same_transcript() {
    let Some(peers) = Peers::installed() else { return };
    let (backend, gateway) = everything(&peers).await;
    let direct = peers.python_conversation(backend.url(), "").await;
    let through = peers.python_conversation(&gateway.server_url("everything"), "").await;
    assert_same_transcript(&direct, &through);
}

/// Requests whose results and errors have to come through byte for byte.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |name: &str, arguments: Value| {
        ("tools/call", json!({"name": name, "arguments": arguments}))
    };
    vec![
        call("echo", json!({"message": "Grüße \u{0} \u{1f600} \"quoted\" \\ </script>"})),
        call("get-sum", json!({"a": 2, "b": 40.5})),
        call("get-sum", json!({"a": "two"})),
        call("get-structured-content", json!({"location": "New York"})),
        call("get-tiny-image", json!({})),
        call("get-annotated-message", json!({"messageType": "error", "includeImage": true})),
        call("get-resource-links", json!({"count": 3})),
        call("get-resource-reference", json!({"resourceType": "Blob", "resourceId": 1})),
        ("resources/read", json!({"uri": "demo://resource/static/document/features.md"})),
        ("resources/read", json!({"uri": "demo://resource/dynamic/blob/7"})),
        ("resources/read", json!({"uri": "demo://resource/dynamic/text/none"})),
        ("prompts/get", json!({"name": "args-prompt", "arguments": {"city": "Bern"}})),
        ("prompts/get", json!({"name": "args-prompt", "arguments": {}})),
    ]
}

#[tokio::test]
async fn answers_are_the_same_byte_for_byte() {
    let Some(peers) = Peers::installed() else { return };
    let (backend, gateway) = everything(&peers).await;
    let direct = RawClient::connect(backend.url(), &json!({})).await;
    let through = RawClient::connect(&gateway.server_url("everything"), &json!({})).await;
    for (method, params) in requests() {
        let (wanted, seen) =
            (direct.call(method, &params).await, through.call(method, &params).await);
        for part in ["result", "error"] {
            assert_eq!(member(&wanted, part), member(&seen, part), "{part} of {method} {params}");
        }
    }
}

#[tokio::test]
async fn items_of_lists_are_the_same_byte_for_byte() {
    let Some(peers) = Peers::installed() else { return };
    let (backend, gateway) = everything(&peers).await;
    let direct = RawClient::connect(backend.url(), &json!({})).await;
    let through = RawClient::connect(&gateway.server_url("everything"), &json!({})).await;
    let lists = [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ];
    for (method, key) in lists {
        assert_eq!(
            items(&direct, method, key).await,
            items(&through, method, key).await,
            "{method}"
        );
    }
    let (wanted, seen) = (result_of(direct.hello()), result_of(through.hello()));
    for part in ["serverInfo", "instructions"] {
        assert_eq!(member(wanted, part), member(seen, part), "{part} of initialize");
    }
}

fn result_of(message: &str) -> &str {
    member(message, "result").unwrap_or_else(|| panic!("not a result: {message}"))
}

/// The raw items of all pages.
async fn items(client: &RawClient, method: &str, key: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut params = json!({});
    loop {
        let answer = client.call(method, &params).await;
        let page = result_of(&answer);
        let list = member(page, key).unwrap_or_else(|| panic!("no {key}: {page}"));
        let list: Vec<&serde_json::value::RawValue> = serde_json::from_str(list).expect("a list");
        items.extend(list.iter().map(|item| item.get().to_owned()));
        let Some(cursor) = member(page, "nextCursor") else { return items };
        params = json!({"cursor": serde_json::from_str::<Value>(cursor).expect("a cursor")});
    }
}
