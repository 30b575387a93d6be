//! What clients get wrong, and what a client's mistakes cost: an error for them, nothing for others.

use portcullis_test_support::scenes::{
    Entrant, assert_error, assert_refused, error_of, small_demo, small_demo_gateway,
};
use portcullis_test_support::wire::Request;
use portcullis_test_support::{RawClient, RawDuplex, member};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_what_is_wrong_with_it() {
    let (_gateway, entrants) = Entrant::all(BINARY).await;
    let deep = request("tools/call", &format!("{}{}", "[".repeat(500), "]".repeat(500)));
    let rows = [
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
        (
            "two methods, one in capitals",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}"#,
            -32600,
            "must be written \"method\"",
        ),
        ("two ids", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, "id"),
        (
            "two params",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{},"params":{}}"#,
            -32600,
            "params",
        ),
        ("too deep", &deep, -32600, "deep"),
    ];
    let rows = rows.map(|(name, body, code, says)| (name, body.as_bytes(), code, says));
    let garbled: &[u8] = b"{\"jsonrpc\":\"\xff\"}";
    for (way, mut client) in entrants {
        for (name, body, code, says) in
            rows.into_iter().chain([("not UTF-8", garbled, -32700, "JSON")])
        {
            if body.is_empty() && way == "stdio" {
                continue; // a line without a word is nothing to complain about
            }
            let taken = client.tell(body).await;
            assert_error(&format!("{name}, {way}"), &taken.answer, code, says);
            let status = (way != "stdio").then_some(400);
            assert_eq!(taken.status, status, "{name}, {way}: {}", taken.answer);
        }
        let pong = client.tell(PING).await.answer;
        assert_eq!(member(&pong, "result"), Some("{}"), "{way}: it is as good as before: {pong}");
    }
}

#[tokio::test]
async fn an_error_carries_the_id_of_the_request_wherever_it_can_be_read() {
    let (_gateway, entrants) = Entrant::all(BINARY).await;
    let rows = [
        (r#"{"jsonrpc":"2.0","id":"seven","method":5}"#, r#""seven""#),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, "7"),
        (&request("no/such", "{}"), "7"),
        (&request("tools/call", "{}"), "7"),
    ];
    for (way, mut client) in entrants {
        for (body, id) in rows {
            let answer = client.tell(body).await.answer;
            assert_eq!(member(&answer, "id"), Some(id), "{way}: {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn names_and_parameters_that_mean_nothing_are_errors_that_say_which() {
    let (_gateway, entrants) = Entrant::all(BINARY).await;
    let rows = [
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
            "two names, one with a capital",
            "tools/call",
            r#"{"name":"x_demo_echo","Name":"fail"}"#,
            -32602,
            "must be written \"name\"",
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
    ];
    let wrong = request("tools/call", r#"{"name":"x_demo_echo","arguments":{"message":5}}"#);
    for (way, mut client) in entrants {
        for (name, method, params, code, says) in rows {
            let taken = client.tell(request(method, params)).await;
            assert_error(&format!("{name}, {way}"), &taken.answer, code, says);
            let status = (way == "streamable HTTP").then_some(200);
            assert_eq!(taken.status, status, "{name}, {way}: elsewhere it came on the stream");
        }
        let judged = client.tell(wrong.clone()).await.answer;
        let by_itself = judged.contains(r#""isError":true"#);
        assert!(by_itself, "{way}: the backend judges its own arguments: {judged}");
    }
}

#[tokio::test]
async fn what_call_tool_cannot_call_is_an_error_whichever_way_it_came() {
    let (_gateway, entrants) = Entrant::all(BINARY).await;
    let call = |arguments: &str| {
        request("tools/call", &format!(r#"{{"name":"call_tool","arguments":{arguments}}}"#))
    };
    let rows = [
        ("a meta-tool", r#"{"name":"list_tools"}"#, "list_tools is a meta-tool; call it directly"),
        (
            "itself",
            r#"{"name":"call_tool","arguments":{"name":"x_demo_echo"}}"#,
            "call_tool is a meta-tool; call it directly",
        ),
        ("a blocked tool", r#"{"name":"x_demo_fail"}"#, "core_tool_block was called for it"),
        ("a number", r#"{"name":5}"#, "name must be a string"),
        ("nothing", "{}", "name argument is required"),
        ("what there is not", r#"{"name":"x_demo_nope"}"#, "tool not found: x_demo_nope"),
    ];
    for (way, mut client) in entrants {
        let block = r#"{"name":"core_tool_block","arguments":{"name":"x_demo_fail"}}"#;
        let blocked = client.tell(request("tools/call", block)).await.answer;
        assert!(blocked.contains("blocked, until core_tool_unblock"), "{way}: {blocked}");
        for (name, arguments, says) in rows {
            let answer = client.tell(call(arguments)).await.answer;
            assert!(answer.contains(r#""isError":true"#), "{name}, {way}: {answer}");
            assert!(answer.contains(says), "{name}, {way}: {answer}");
        }
    }
}

#[tokio::test]
async fn initialize_with_wrong_parameters_opens_no_session() {
    let (gateway, _client) = small_demo_gateway(BINARY).await;
    let config = small_demo();
    let sse = RawDuplex::open_sse(&gateway.sse_url()).await;
    let mut duplexes = [sse, RawDuplex::open_stdio(BINARY, config.path())];
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
        for client in &mut duplexes {
            for (message, code) in
                [(request("initialize", params), -32602), (request("tools/list", "{}"), -32600)]
            {
                assert!(client.send(message).await.is_none());
                let answer = client.answer_to_me().await;
                assert_eq!(error_of(&answer).0, code, "{params}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn batches_are_for_those_who_speak_2025_03_26() {
    let (gateway, client) = small_demo_gateway(BINARY).await;
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

#[tokio::test]
async fn a_line_that_is_too_long_costs_the_client_that_line_only() {
    let config = small_demo();
    let mut client = RawDuplex::open_stdio(BINARY, config.path());
    client.initialize("2025-11-25", &json!({})).await;
    let long = request("tools/call", &format!(r#"{{"name":"{}"}}"#, "x".repeat(200_000)));
    client.send(long).await;
    assert_error("too long", &client.answer_to_me().await, -32600, "65536");
    for noise in ["", "  ", "\r"] {
        client.send(noise).await;
    }
    client.send(format!("{PING}\r")).await;
    let pong = client.answer_to_me().await;
    assert_eq!(member(&pong, "result"), Some("{}"), "{pong}");
}
