//! Clients that share a gateway, and even a backend's session, hear nothing of each other.

use portcullis_test_support::wire::Response;
use portcullis_test_support::{
    Backend, ConfigDir, Gateway, Peers, RawClient, RawDuplex, member, within,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const NATIVE: &str = "aggregator: {exposure: native}\n";
const CLIENTS: usize = 12;

/// The text of the first content of a result.
fn text(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// A call with progress and one without at the same time, with ids and a token that all clients use.
async fn call_twice(url: String, backend: &'static str, number: usize) {
    let client = RawClient::connect(&url, &json!({})).await;
    let slow = json!({
        "name": format!("x_{backend}_trigger-long-running-operation"),
        "arguments": {"duration": 0.4, "steps": 4}, "_meta": {"progressToken": "token"},
    });
    let mut exchange = client.start("tools/call", &slow).await;
    let message = format!("client {number}");
    let echo = client.call_tool(&format!("x_{backend}_echo"), &json!({"message": message})).await;
    assert_eq!(text(&echo), format!("Echo: {message}"));
    let mut messages = exchange.messages().await;
    let answer = messages.pop().expect("an answer");
    assert_eq!(member(&answer, "id"), Some(exchange.id.to_string().as_str()), "{answer}");
    assert!(text(&answer).contains("Steps: 4"), "{answer}");
    let progress: Vec<Value> =
        messages.iter().map(|message| serde_json::from_str(message).expect("JSON")).collect();
    let steps: Vec<_> = progress.iter().map(|message| &message["params"]["progress"]).collect();
    assert_eq!(steps, [1, 2, 3, 4], "{backend}: client {number}: {messages:#?}");
    assert!(progress.iter().all(|message| message["params"]["progressToken"] == "token"));
}

#[tokio::test]
async fn many_clients_with_the_same_ids_and_tokens_get_each_their_own() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let old = Backend::everything_sse(&peers).await;
    let config = ConfigDir::new()
        .config(NATIVE)
        .http("shared", everything.url(), &json!({}))
        .http("alone", everything.url(), &json!({"isolation": "session"}))
        .sse("old", old.url(), &json!({}))
        .sse("oldalone", old.url(), &json!({"isolation": "session"}))
        .stdio("pipe", &peers.everything_stdio(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let backends = ["shared", "alone", "old", "oldalone", "pipe"];
    let tools = backends.map(|backend| format!("x_{backend}_echo"));
    gateway.client_that_sees(&tools.each_ref().map(String::as_str)).await;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        for backend in backends {
            clients.spawn(call_twice(gateway.url().to_owned(), backend, number));
            clients.spawn(call_twice_over_sse(gateway.sse_url(), backend, number));
        }
    }
    clients.join_all().await;
}

/// The same for a client of HTTP+SSE, where everything comes on one stream.
async fn call_twice_over_sse(url: String, backend: &'static str, number: usize) {
    let mut client = RawDuplex::open_sse(&url).await;
    client.initialize("2024-11-05", &json!({})).await;
    let slow = json!({
        "name": format!("x_{backend}_trigger-long-running-operation"),
        "arguments": {"duration": 0.4, "steps": 4}, "_meta": {"progressToken": "token"},
    });
    let slow = client.start("tools/call", &slow).await.to_string();
    let message = format!("client {number}");
    let echo = json!({"name": format!("x_{backend}_echo"), "arguments": {"message": message}});
    let echo = client.start("tools/call", &echo).await.to_string();
    let (mut steps, mut answers) = (Vec::new(), 0);
    while answers < 2 {
        let message = client.answer_to_me().await;
        let seen: Value = serde_json::from_str(&message).expect("JSON");
        if seen["method"] == "notifications/progress" {
            assert_eq!(seen["params"]["progressToken"], "token", "{message}");
            steps.push(seen["params"]["progress"].clone());
            continue;
        }
        let expected = match member(&message, "id") {
            Some(id) if id == slow => "Steps: 4".to_owned(),
            Some(id) if id == echo => format!("Echo: client {number}"),
            Some(_) => panic!("{backend}: client {number}: {message}"),
            None => continue, // what a server of its own logs
        };
        assert!(text(&message).contains(&expected), "{backend}: client {number}: {message}");
        answers += 1;
    }
    assert_eq!(steps, [1, 2, 3, 4], "{backend}: client {number}");
}

/// Has the backend ask, and answers with what no other client would say.
async fn be_asked(url: String, number: usize) {
    let client = RawClient::connect(&url, &json!({"sampling": {}})).await;
    let prompt = format!("question {number}");
    let call = json!({
        "name": "x_shared_trigger-sampling-request", "arguments": {"prompt": prompt, "maxTokens": 10},
    });
    let mut exchange = client.start("tools/call", &call).await;
    let question = exchange.message().await.expect("a request for sampling");
    assert!(question.contains(&prompt), "{question}");
    let content = json!({"type": "text", "text": format!("answer {number}.")});
    client.answer(&question, &json!({"role": "assistant", "model": "m", "content": content})).await;
    let answer = exchange.response_message().await;
    assert!(answer.contains(&format!("answer {number}.")), "{answer}");
}

/// The same for a client of HTTP+SSE.
async fn be_asked_over_sse(url: String, number: usize) {
    let mut client = RawDuplex::open_sse(&url).await;
    client.initialize("2024-11-05", &json!({"sampling": {}})).await;
    let prompt = format!("question {number}");
    let call = json!({
        "name": "x_shared_trigger-sampling-request", "arguments": {"prompt": prompt, "maxTokens": 10},
    });
    client.start("tools/call", &call).await;
    let question = client.answer_to_me().await;
    assert!(question.contains(&prompt), "{question}");
    let id = member(&question, "id").expect("an id");
    let content = json!({"type": "text", "text": format!("answer {number}.")});
    let result = json!({"role": "assistant", "model": "m", "content": content});
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    assert!(client.send(answer).await.is_none(), "it is taken");
    let answer = client.answer_to_me().await;
    assert!(answer.contains(&format!("answer {number}.")), "{answer}");
}

#[tokio::test]
async fn clients_of_one_shared_session_are_asked_only_about_their_own_calls() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let config = ConfigDir::new().config(NATIVE).http("shared", everything.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_shared_echo"]).await;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(be_asked(gateway.url().to_owned(), number));
        clients.spawn(be_asked_over_sse(gateway.sse_url(), CLIENTS + number));
    }
    clients.join_all().await;
}

/// The question of that method, among the messages of a call or else on the stream beside it.
async fn question(seen: Vec<String>, stream: &mut Response, method: &str) -> String {
    let is_it = |message: &str| member(message, "method").is_some_and(|seen| seen == method);
    if let Some(question) = seen.into_iter().find(|message| is_it(message)) {
        return question;
    }
    within(method, async {
        loop {
            let event = stream.event().await.expect("the stream stays open");
            if let Some(message) = event.message().filter(|message| is_it(message)) {
                return message.to_owned();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_asks_for_roots_gets_those_of_the_client_it_works_for() {
    let Some(peers) = Peers::installed() else { return };
    let [started, one, two] = [0; 3].map(|_| TempDir::new().expect("a temporary directory"));
    let config = ConfigDir::new().config(NATIVE).stdio(
        "files",
        &peers.filesystem_stdio(started.path()),
        &json!({"isolation": "session"}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["x_files_read_file"]).await;
    let call = json!({"name": "x_files_list_allowed_directories", "arguments": {}});
    for root in [&one, &two] {
        let client = RawClient::connect(gateway.url(), &json!({"roots": {}})).await;
        let mut stream = client.listen().await;
        let seen = client.start("tools/call", &call).await.messages().await;
        let question = question(seen, &mut stream, r#""roots/list""#).await;
        let path = root.path().to_str().expect("a UTF-8 path");
        // The call is over by now; the question that came while it ran is not.
        client.answer(&question, &json!({"roots": [{"uri": format!("file://{path}")}]})).await;
        within("the directory of the client", async {
            while !client.call("tools/call", &call).await.contains(path) {}
        })
        .await;
    }
}
