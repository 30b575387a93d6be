use serde_json::Value;

use super::*;
use crate::mcp::splice::quoted;

fn render(id: Option<&RequestId>, error: &Error) -> Bytes {
    response::error(id, -1, &error.to_string(), None)
}

fn wrapped(spelling: Spelling, answer: Result<&str, Error>) -> Result<String, Error> {
    let message =
        Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","id":"a","method":"tools/call"}"#));
    let id = message.unwrap().id().unwrap();
    let envelope = Envelope { spelling, id, render, notes: Arc::default() };
    let answer = answer.map(|rest| {
        let bytes = format!(r#"{{"jsonrpc":"2.0","id":"a",{rest}}}"#);
        Response::ok(bytes.into())
    });
    let response = envelope.wrap(answer)?;
    Ok(String::from_utf8(response.bytes.to_vec()).unwrap())
}

/// The result of wrapping `result`, and the text in it.
fn result(spelling: Spelling, result: &str) -> (String, String) {
    let whole = wrapped(spelling, Ok(&format!(r#""result":{result}"#))).unwrap();
    let prefix = r#"{"jsonrpc":"2.0","id":"a","result":"#;
    let result = whole.strip_prefix(prefix).and_then(|it| it.strip_suffix('}')).unwrap();
    let value: Value = serde_json::from_str(result).unwrap();
    let text = value["content"][0]["text"].as_str().unwrap_or_default();
    (result.to_owned(), text.to_owned())
}

#[test]
fn whatever_a_tool_says_is_in_the_text_as_it_came() {
    for (name, given, inner) in [
        (
            "a text",
            r#"{"content":[{"type":"text","text":"a\"b\u00e9\\"}]}"#,
            r#"{"isError":false,"content":[{"type":"text","text":"a\"b\u00e9\\"}]}"#,
        ),
        (
            "spaces and numbers",
            r#"{ "content" : [ 1.0, 1e400 ] }"#,
            r#"{"isError":false,"content":[ 1.0, 1e400 ]}"#,
        ),
        (
            "an image, audio, an embedded resource and a link",
            r#"{"content":[{"type":"image","data":"aGk=","mimeType":"image/png","annotations":{"priority":0.50}},{"type":"audio","data":"aGk=","mimeType":"audio/wav"},{"type":"resource","resource":{"uri":"a://b","blob":"aGk="}},{"type":"resource_link","uri":"a://b","name":"b"}]}"#,
            r#"{"isError":false,"content":[{"type":"image","data":"aGk=","mimeType":"image/png","annotations":{"priority":0.50}},{"type":"audio","data":"aGk=","mimeType":"audio/wav"},{"type":"resource","resource":{"uri":"a://b","blob":"aGk="}},{"type":"resource_link","uri":"a://b","name":"b"}]}"#,
        ),
        (
            "an error with _meta",
            r#"{"_meta":{"x":1.0},"isError":true,"content":[{"type":"text","text":"no"}]}"#,
            r#"{"isError":true,"content":[{"type":"text","text":"no"}],"_meta":{"x":1.0}}"#,
        ),
        (
            "structured content and a member that nobody knows",
            r#"{"content":[],"structuredContent":{"sum":3.0},"new":[{}]}"#,
            r#"{"isError":false,"content":[],"structuredContent":{"sum":3.0},"new":[{}]}"#,
        ),
        (
            "a task",
            r#"{"task":{"taskId":"t"}}"#,
            r#"{"isError":false,"content":[],"task":{"taskId":"t"}}"#,
        ),
        ("no object", "[1.0]", "[1.0]"),
        ("content that is none", r#"{"content":5}"#, r#"{"isError":false,"content":5}"#),
    ] {
        assert_eq!(result(Spelling::CallTool, given).1, inner, "{name}");
    }
}

#[test]
fn errors_structured_content_and_the_unknown_show_outside_too() {
    let given =
        r#"{"_meta":{"x":1.0},"isError":true,"content":[],"structuredContent":{"a":1},"task":{}}"#;
    let (outer, inner) = result(Spelling::CallTool, given);
    let text = String::from_utf8(quoted(&inner)).unwrap();
    let rest = r#""_meta":{"x":1.0},"structuredContent":{"a":1},"task":{}"#;
    assert_eq!(
        outer,
        format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":true,{rest}}}"#)
    );
}

#[test]
fn texts_of_a_resource_are_joined_and_all_else_is_embedded() {
    let texts =
        r#"{"contents":[{"uri":"a","text":"one"},{"uri":"b","text":"two"}],"_meta":{"m":1.0}}"#;
    let (outer, text) = result(Spelling::GetResource, texts);
    assert_eq!(text, "one\ntwo");
    assert!(
        outer.ends_with(&format!(r#","structuredContent":{texts},"_meta":{{"m":1.0}}}}"#)),
        "{outer}"
    );
    let mixed =
        r#"{"contents":[{"uri":"a","text":"one"},{"uri":"b","blob":"aGk=","_meta":{}}],"new":1.0}"#;
    assert_eq!(
        result(Spelling::GetResource, mixed).0,
        r#"{"content":[{"type":"resource","resource":{"uri":"a","text":"one"}},{"type":"resource","resource":{"uri":"b","blob":"aGk=","_meta":{}}}],"new":1.0}"#
    );
    assert_eq!(result(Spelling::GetResource, r#"{"contents":[]}"#).1, "");
    assert_eq!(result(Spelling::GetResource, r#"{"contents":{}}"#).1, r#"{"contents":{}}"#);
}

#[test]
fn messages_of_a_prompt_are_the_text_and_the_rest_stands_beside_it() {
    let given = r#"{"description":"d","messages":[{"role":"user","content":{"type":"image","data":"aGk="}}]}"#;
    let (outer, text) = result(Spelling::GetPrompt, given);
    assert_eq!(text, r#"[{"role":"user","content":{"type":"image","data":"aGk="}}]"#);
    assert!(outer.ends_with(&format!(r#","structuredContent":{given}}}"#)), "{outer}");
}

#[test]
fn errors_are_errors_with_their_code_and_data() {
    let error = r#""error":{"code":-32602,"message":"bad \"x\"","data":{"y":1.0}}"#;
    for (spelling, text) in [
        (
            Spelling::CallTool,
            r#"{"isError":true,"content":[{"type":"text","text":"Tool execution failed: bad \"x\""}]}"#,
        ),
        (Spelling::GetResource, r#"Failed to get resource: bad "x""#),
        (Spelling::GetPrompt, r#"Failed to get prompt: bad "x""#),
    ] {
        let wrapped = wrapped(spelling, Ok(error)).unwrap();
        let value: Value = serde_json::from_str(&wrapped).unwrap();
        assert_eq!(value["result"]["content"][0]["text"], text);
        assert_eq!(value["result"]["isError"], true);
        let meta = r#""_meta":{"io.portcullis/error":{"code":-32602,"message":"bad \"x\"","data":{"y":1.0}}}"#;
        assert!(wrapped.contains(meta), "{wrapped}");
    }
    let odd = wrapped(Spelling::GetPrompt, Ok(r#""error":{"code":1,"message":5}"#)).unwrap();
    assert!(odd.contains(r#"{\"code\":1,\"message\":5}"#), "{odd}");
}

#[test]
fn errors_of_ours_are_told_like_those_of_tools() {
    for error in [
        Error::UnknownTool("t".into()),
        Error::Denied("rule".into()),
        Error::Busy { backend: "b".into(), limit: 1 },
        Error::Timeout { backend: "b".into(), after: std::time::Duration::from_secs(1) },
        Error::ConnectionLost { backend: "b".into(), detail: "gone".into() },
        Error::NoResponse,
    ] {
        let wrapped = wrapped(Spelling::CallTool, Err(error.clone())).unwrap();
        let text = format!("Tool execution failed: {error}");
        assert!(wrapped.contains(&text) && wrapped.contains(r#""isError":true"#), "{wrapped}");
    }
    for error in [Error::Cancelled, Error::NotHome { backend: "b".into() }] {
        assert!(wrapped(Spelling::CallTool, Err(error)).is_err());
    }
}
