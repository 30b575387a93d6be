//! What a client sees through the gateway is what it sees direct.

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, member};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
/// The result is the backend's, the message around it the gateway's: its members may stand in another order.
const ANSWERED_BY_THE_GATEWAY: [&str; 4] =
    ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// The names of that server behind the gateway: over streamable HTTP, and over the transport of 2024-11-05.
const SERVERS: [&str; 2] = ["everything", "old"];

/// A gateway before `server-everything`, which keeps what it knows of a client by session.
async fn everything(peers: &Peers) -> ([Backend; 2], Gateway) {
    let backends = [Backend::everything_http(peers).await, Backend::everything_sse(peers).await];
    let session = json!({"isolation": "session"});
    let config = ConfigDir::new()
        .config("aggregator: {exposure: native}\n")
        .http("everything", backends[0].url(), &session)
        .sse("old", backends[1].url(), &session);
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_everything_echo", "x_old_echo"]).await;
    (backends, gateway)
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
    let (backends, gateway) = everything(&peers).await;
    let direct = peers.conversation(backends[0].url(), &["--no-resume"]).await;
    for server in SERVERS {
        let through = peers.conversation(&gateway.server_url(server), &[]).await;
        assert_same_transcript(&direct, &through);
    }
}

#[tokio::test]
async fn a_conversation_of_the_python_sdk_has_the_same_transcript() {
    let Some(peers) = Peers::installed() else { return };
    let (backends, gateway) = everything(&peers).await;
    let direct = peers.python_conversation(backends[0].url(), "").await;
    for server in SERVERS {
        let through = peers.python_conversation(&gateway.server_url(server), "").await;
        assert_same_transcript(&direct, &through);
    }
}

/// What both conversations do, one after the other; each `Value` is a tool and its arguments.
fn tools(table: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
    table
        .into_iter()
        .map(|(name, arguments)| ("tools/call", json!({"name": name, "arguments": arguments})))
        .collect()
}

fn requests_to_everything() -> Vec<(&'static str, Value)> {
    let department = json!({"name": "department", "value": "E"});
    let prompt = json!({"type": "ref/prompt", "name": "completable-prompt"});
    let mut requests = tools(vec![
        ("echo", json!({"message": "Grüße \u{0} \u{1f600} \"quoted\" \\ </script>"})),
        ("get-sum", json!({"a": 2, "b": 40.5})),
        ("get-sum", json!({"a": "two"})),
        ("get-structured-content", json!({"location": "New York"})),
        ("get-tiny-image", json!({})),
        ("get-annotated-message", json!({"messageType": "error", "includeImage": true})),
        ("get-resource-links", json!({"count": 3})),
        ("get-resource-reference", json!({"resourceType": "Blob", "resourceId": 1})),
        ("trigger-sampling-request", json!({"prompt": "why", "maxTokens": 10})),
        ("trigger-elicitation-request", json!({})),
    ]);
    let slow = json!({"duration": 0.2, "steps": 4});
    for token in [json!("a token"), json!(7)] {
        let meta = json!({"progressToken": token});
        let params =
            json!({"name": "trigger-long-running-operation", "arguments": slow, "_meta": meta});
        requests.push(("tools/call", params));
    }
    requests.extend([
        ("ping", json!({})),
        ("resources/read", json!({"uri": "demo://resource/static/document/features.md"})),
        ("resources/read", json!({"uri": "demo://resource/dynamic/blob/7"})),
        ("resources/read", json!({"uri": "demo://resource/dynamic/text/none"})),
        ("prompts/get", json!({"name": "args-prompt", "arguments": {"city": "Bern"}})),
        ("prompts/get", json!({"name": "args-prompt", "arguments": {}})),
        ("completion/complete", json!({"ref": prompt, "argument": department})),
        ("resources/subscribe", json!({"uri": "demo://resource/dynamic/text/3"})),
        ("resources/unsubscribe", json!({"uri": "demo://resource/dynamic/text/3"})),
        ("logging/setLevel", json!({"level": "error"})),
    ]);
    requests
}

fn requests_to_the_fixture() -> Vec<(&'static str, Value)> {
    let mut requests = tools(vec![
        ("test_simple_text", json!({})),
        ("test_image_content", json!({})),
        ("test_audio_content", json!({})),
        ("test_embedded_resource", json!({})),
        ("test_multiple_content_types", json!({})),
        ("test_tool_with_logging", json!({})),
        ("test_error_handling", json!({})),
        ("test_sampling", json!({"prompt": "why"})),
        ("test_elicitation", json!({"message": "who"})),
        ("test_elicitation_sep1034_defaults", json!({})),
        ("test_elicitation_sep1330_enums", json!({})),
        ("json_schema_2020_12_tool", json!({"name": "Ada", "address": {"city": "Bern"}})),
    ]);
    let meta = json!({"progressToken": "progress"});
    let reference = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let url = "test://example";
    requests.extend([
        ("tools/call", json!({"name": "test_tool_with_progress", "arguments": {}, "_meta": meta})),
        ("resources/read", json!({"uri": "test://static-text"})),
        ("resources/read", json!({"uri": "test://static-binary"})),
        ("resources/read", json!({"uri": "test://template/7/data"})),
        ("prompts/get", json!({"name": "test_simple_prompt"})),
        ("prompts/get", json!({"name": "test_prompt_with_image"})),
        ("prompts/get", json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}})),
        ("prompts/get", json!({"name": "test_prompt_with_embedded_resource", "arguments": {"resourceUri": url}})),
        ("completion/complete", json!({"ref": reference, "argument": {"name": "arg1", "value": "par"}})),
        ("resources/subscribe", json!({"uri": "test://watched-resource"})),
        ("resources/unsubscribe", json!({"uri": "test://watched-resource"})),
    ]);
    requests
}

/// Capabilities that make a server offer and ask all it can.
fn able() -> Value {
    json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}})
}

/// All messages that come of a request, as they came; questions on the way are answered, and lose their id, which is
/// whose it is.
async fn record(client: &RawClient, method: &str, params: &Value) -> Vec<String> {
    let mut exchange = client.start(method, params).await;
    let mut messages = Vec::new();
    while let Some(message) = exchange.message().await {
        let (id, asked) = (member(&message, "id"), member(&message, "method"));
        let (Some(id), Some(asked)) = (id, asked) else {
            messages.push(message);
            continue;
        };
        // Asked a moment after `initialized`, whatever is under way then. It belongs to no call, and comes on the stream
        // of one where there is no other; the server itself has none here, and so gets no answer either.
        if asked.contains("roots/list") {
            continue;
        }
        let content = json!({"type": "text", "text": "because"});
        let answer = if asked.contains("sampling") {
            json!({"role": "assistant", "model": "a-model", "content": content})
        } else {
            json!({"action": "accept", "content": {"username": "Ada", "email": "ada@example.com"}})
        };
        client.answer(&message, &answer).await;
        messages.push(message.replace(&format!("\"id\":{id}"), "\"id\":masked"));
    }
    messages
}

/// Has the same conversation at both URLs and compares every byte.
async fn assert_same_bytes(direct: &str, through: &str, requests: &[(&str, Value)]) {
    assert_same_bytes_at("2025-11-25", direct, through, requests).await;
}

async fn assert_same_bytes_at(
    version: &str,
    direct: &str,
    through: &str,
    requests: &[(&str, Value)],
) {
    let direct = RawClient::connect_at(direct, version, &able()).await;
    let through = RawClient::connect_at(through, version, &able()).await;
    assert_eq!(result_of(direct.hello()), result_of(through.hello()), "initialize");
    for (method, params) in requests {
        let wanted = record(&direct, method, params).await;
        let seen = record(&through, method, params).await;
        if ANSWERED_BY_THE_GATEWAY.contains(method) {
            // The last message: what the server logs meanwhile comes on the stream of the call where
            // there is no other (HTTP+SSE).
            let last = |messages: &[String]| messages.last().expect("an answer").clone();
            assert_eq!(result_of(&last(&wanted)), result_of(&last(&seen)), "{method} {params}");
        } else {
            assert_eq!(wanted, seen, "{method} {params}");
        }
    }
    let lists = [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ];
    for (method, key) in lists {
        let wanted = items(&direct, method, key).await;
        assert_eq!(wanted, items(&through, method, key).await, "{method}");
        assert!(!wanted.is_empty(), "nothing in {method}");
    }
}

#[tokio::test]
async fn a_conversation_with_a_reference_server_is_the_same_byte_for_byte() {
    let Some(peers) = Peers::installed() else { return };
    let (backends, gateway) = everything(&peers).await;
    for server in SERVERS {
        let through = gateway.server_url(server);
        assert_same_bytes(backends[0].url(), &through, &requests_to_everything()).await;
    }
}

#[tokio::test]
async fn a_conversation_of_an_older_client_is_the_same_byte_for_byte() {
    let Some(peers) = Peers::installed() else { return };
    let (backends, gateway) = everything(&peers).await;
    let through = gateway.server_url("everything");
    for version in ["2025-06-18", "2025-03-26"] {
        let requests = requests_to_everything();
        assert_same_bytes_at(version, backends[0].url(), &through, &requests).await;
    }
}

#[tokio::test]
async fn a_conversation_with_the_fixture_is_the_same_byte_for_byte_over_every_transport() {
    let Some(peers) = Peers::installed() else { return };
    let backend = Backend::fixture_http(&peers).await;
    let old = Backend::fixture_sse(&peers).await;
    let session = json!({"isolation": "session"});
    let config = ConfigDir::new()
        .config("aggregator: {exposure: native}\n")
        .sse("old", old.url(), &session)
        .http("web", backend.url(), &session)
        .http("shared", backend.url(), &json!({}))
        .stdio("pipe", &peers.fixture_stdio(), &session);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let servers = ["web", "shared", "pipe", "old"];
    let seen = servers.map(|server| format!("x_{server}_test_sampling"));
    gateway.client_that_sees(&seen.each_ref().map(String::as_str)).await;
    for server in servers {
        let through = gateway.server_url(server);
        assert_same_bytes(backend.url(), &through, &requests_to_the_fixture()).await;
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
