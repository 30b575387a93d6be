//! What everything is measured with has to be right itself: the raw backend and the static handler, over real HTTP.

use std::fs;
use std::process::Command;
use std::time::Duration;

use portcullis_test_support::Process;
use portcullis_test_support::wire::{Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

/// One of our servers, and its URL.
async fn start(binary: &str, arguments: &[&str]) -> (Process, String) {
    let mut command = Command::new(binary);
    command.args(arguments);
    let process = Process::spawn(binary, command);
    let address = |line: &str| Some(line.strip_prefix("listening on ")?.to_owned());
    let address = process.line("address", address).await;
    (process, format!("http://{address}/mcp"))
}

async fn backend(arguments: &[&str]) -> (Process, String) {
    start(env!("CARGO_BIN_EXE_raw-backend"), arguments).await
}

async fn post(url: &str, message: &Value) -> Response {
    let request = Request::new("POST", url).header("Content-Type", "application/json");
    request.body(message.to_string()).send().await
}

fn call(id: &Value, text: &str) -> Value {
    let params = json!({ "name": "tool0", "arguments": { "message": text } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

async fn answer(url: &str, message: &Value) -> Value {
    let text = post(url, message).await.text().await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_session_is_opened_used_and_ended() {
    let (_backend, url) = backend(&["--tools", "3"]).await;
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}});
    let mut opened = post(&url, &initialize).await;
    assert_eq!(opened.status, 200);
    assert_eq!(opened.header("mcp-session-id"), Some("raw"));
    assert!(opened.text().await.contains("2025-11-25"));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&url, &initialized).await.status, 202);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let list = answer(&url, &list).await;
    let names = list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["tool0", "tool1", "tool2"]);
    assert_eq!(Request::new("DELETE", &url).send().await.status, 200);
    assert_eq!(Request::new("GET", &url).send().await.status, 405);
}

#[tokio::test]
async fn a_call_gives_its_message_back_under_its_own_id() {
    let (_backend, url) = backend(&[]).await;
    for id in [json!(7), json!("seven")] {
        let answer = answer(&url, &call(&id, "a \"quoted\"\nline")).await;
        assert_eq!(answer["id"], id);
        assert_eq!(text(&answer), "a \"quoted\"\nline");
        assert_eq!(answer["result"]["isError"], false);
    }
}

#[tokio::test]
async fn a_result_is_filled_up_to_its_size() {
    for size in [100, 1_000_000] {
        let (_backend, url) = backend(&["--size", &size.to_string()]).await;
        let answer = answer(&url, &call(&json!(1), "hello")).await;
        assert_eq!(text(&answer).len(), size);
        assert!(text(&answer).starts_with("hello.."));
    }
}

#[tokio::test]
async fn a_stream_has_as_many_events_as_asked_for_and_ends_with_the_result() {
    let (_backend, url) = backend(&["--events", "1000", "--size", "1000000"]).await;
    let mut response = post(&url, &call(&json!(1), "hello")).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    let mut messages = Vec::new();
    while let Some(event) = response.event().await {
        messages.push(serde_json::from_str::<Value>(&event.data.unwrap()).unwrap());
    }
    let (last, progress) = messages.split_last().unwrap();
    assert_eq!(progress.len(), 999);
    for (message, number) in progress.iter().zip(1..) {
        let data = message["params"]["data"].as_str().unwrap();
        assert!(data.starts_with(&format!("{number}.")) && data.len() == 1000, "{data}");
    }
    assert_eq!(last["id"], 1);
    assert_eq!(text(last).len(), 1000);
}

#[tokio::test]
async fn every_so_manyth_call_fails() {
    let (_backend, url) = backend(&["--error-every", "3"]).await;
    let mut failed = Vec::new();
    for id in 1..=6 {
        failed.push(answer(&url, &call(&json!(id), "hello")).await["result"]["isError"] == true);
    }
    assert_eq!(failed, [false, false, true, false, false, true]);
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let (_backend, url) = backend(&["--delay", "300"]).await;
    let start = Instant::now();
    answer(&url, &call(&json!(1), "hello")).await;
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_it_does_not_know_is_an_error() {
    let (_backend, url) = backend(&[]).await;
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"});
    assert_eq!(answer(&url, &unknown).await["error"]["code"], -32601);
    assert_eq!(Request::new("POST", &url).body("no JSON").send().await.status, 400);
}

#[tokio::test]
async fn the_static_handler_answers_with_the_bytes_of_its_file() {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "b".repeat(100_000));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, &body).unwrap();
    let arguments = ["--body", file.path().to_str().unwrap()];
    let (_handler, url) = start(env!("CARGO_BIN_EXE_static-handler"), &arguments).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(post(&url, &list).await.text().await, body);
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&url, &initialized).await.status, 202);
}
