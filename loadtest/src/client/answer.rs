//! Whether an answer is the one to its call, without copying it.

use anyhow::{Context, bail, ensure};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::connection::Exchange;
use crate::load::Method;

/// How much of somebody else's text an error repeats, in bytes.
const QUOTED_BYTES: usize = 200;

/// What the answer to a call has to be.
pub(crate) struct Expected<'a> {
    pub(super) number: u64,
    pub(super) method: Method,
    /// How the text begins…
    pub(super) begun: &'a str,
    /// … and goes on.
    pub(super) filling: &'a [u8],
}

/// An answer that was as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// How long the body was.
    pub(crate) bytes: usize,
    /// How many events with data it had, if it was a stream.
    pub(crate) events: usize,
}

/// The JSON-RPC message of a response.
pub(crate) struct Message<'a> {
    pub(crate) text: &'a [u8],
    events: usize,
}

#[derive(Deserialize)]
struct Envelope<'a, R> {
    #[serde(borrow)]
    id: &'a RawValue,
    result: Option<R>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: Vec<Content<'a>>,
    #[serde(default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Content<'a> {
    /// A JSON string, as it was written.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolList {
    tools: Vec<IgnoredAny>,
}

/// Looks at the whole response.
///
/// # Errors
///
/// When it is not what was expected.
pub(crate) fn check(response: &Exchange<'_>, expected: &Expected<'_>) -> anyhow::Result<Answered> {
    response.expect(StatusCode::OK)?;
    let message = message(response)?;
    check_message(message.text, expected)?;
    Ok(Answered { bytes: response.body.len(), events: message.events })
}

/// The JSON-RPC message of a response, alone or as the last event of a stream. Nobody writes one on several lines.
pub(crate) fn message<'a>(response: &Exchange<'a>) -> anyhow::Result<Message<'a>> {
    let content_type = response.headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
        last_event(response.body)
    } else {
        Ok(Message { text: response.body, events: 0 })
    }
}

fn last_event(body: &[u8]) -> anyhow::Result<Message<'_>> {
    let (mut last, mut events, mut line_start) = (None, 0, 0);
    for line_end in memchr::memchr_iter(b'\n', body) {
        let line = &body[line_start..line_end];
        line_start = line_end + 1;
        let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else { continue };
        // Without data it only says from where to resume.
        if !data.is_empty() {
            last = Some(data);
            events += 1;
        }
    }
    Ok(Message { text: last.context("a stream without a message")?, events })
}

fn check_message(answer: &[u8], expected: &Expected<'_>) -> anyhow::Result<()> {
    if expected.method == Method::List {
        let list: ToolList = result(answer, expected.number)?;
        ensure!(!list.tools.is_empty(), "the list is empty");
        return Ok(());
    }
    let outer: ToolResult<'_> = result(answer, expected.number)?;
    let text = text(&outer)?;
    if expected.method == Method::Call {
        return check_text(text, expected);
    }
    // The result of the tool is a text in that of `call_tool`.
    let inner: String = serde_json::from_str(text)?;
    let inner: ToolResult<'_> = serde_json::from_str(&inner)
        .with_context(|| format!("call_tool gives no result: {}", quote(inner.as_bytes())))?;
    check_text(self::text(&inner)?, expected)
}

fn result<'a, R: Deserialize<'a>>(answer: &'a [u8], number: u64) -> anyhow::Result<R> {
    let answer: Envelope<'_, R> = serde_json::from_slice(answer)
        .with_context(|| format!("not an answer: {}", quote(answer)))?;
    let id = answer.id.get();
    ensure!(id.parse() == Ok(number), "the answer to another call");
    let Some(result) = answer.result else {
        let error = answer.error.context("neither a result nor an error")?;
        bail!("error {}", quote(error.get().as_bytes()));
    };
    Ok(result)
}

/// The first text of a result that is none of an error.
fn text<'a>(result: &ToolResult<'a>) -> anyhow::Result<&'a str> {
    let text = result.content.iter().find_map(|content| content.text).map_or("", RawValue::get);
    ensure!(!result.is_error, "tool error {}", quote(text.as_bytes()));
    Ok(text)
}

fn check_text(text: &str, expected: &Expected<'_>) -> anyhow::Result<()> {
    let rest = text.as_bytes().strip_prefix(b"\"");
    let rest = rest.and_then(|text| text.strip_prefix(expected.begun.as_bytes()));
    ensure!(
        rest.is_some_and(|rest| rest.starts_with(expected.filling)),
        "the text does not begin with the message: {}",
        quote(text.as_bytes())
    );
    Ok(())
}

/// What the body of a refusal says went wrong, if it does.
pub(super) fn error_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let refusal = serde_json::from_slice::<Refusal<'_>>(body);
    refusal.map_or_else(
        |_| String::new(),
        |refusal| format!(": {}", quote(refusal.error.get().as_bytes())),
    )
}

fn quote(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(QUOTED_BYTES)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(method: Method) -> Expected<'static> {
        Expected { number: 1, method, begun: "call 1", filling: b"xx" }
    }

    fn result(text: &str, rest: &str) -> String {
        format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]{rest}}}"#)
    }

    fn answer(id: &str, result: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
    }

    fn passes(method: Method, answer: &str) -> bool {
        check_message(answer.as_bytes(), &expected(method)).is_ok()
    }

    const ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;

    #[test]
    fn only_the_answer_to_the_call_passes() {
        for (name, text, expected) in [
            ("the answer", answer("1", &result("call 1xx", r#","isError":false"#)), true),
            ("one with more text", answer("1", &result("call 1xx....", "")), true),
            ("another id", answer("2", &result("call 1xx", "")), false),
            ("an id of another type", answer("\"1\"", &result("call 1xx", "")), false),
            ("no id", r#"{"jsonrpc":"2.0","result":{"content":[]}}"#.to_owned(), false),
            ("another text", answer("1", &result("call 2xx", "")), false),
            ("a text that ends early", answer("1", &result("call 1x", "")), false),
            ("no text", answer("1", r#"{"content":[]}"#), false),
            ("a tool error", answer("1", &result("call 1xx", r#","isError":true"#)), false),
            ("a list", answer("1", r#"{"tools":[{}]}"#), false),
            ("an error", ERROR.to_owned(), false),
            ("no JSON", "<html>".to_owned(), false),
        ] {
            assert_eq!(passes(Method::Call, &text), expected, "{name}");
        }
    }

    #[test]
    fn call_tool_answers_with_the_result_as_text() {
        let wrapped = |inner: &str| answer("1", &result(&inner.replace('"', "\\\""), ""));
        for (name, text, expected) in [
            ("the result", wrapped(&result("call 1xx..", r#","isError":false"#)), true),
            ("the text alone", answer("1", &result("call 1xx", "")), false),
            ("another text", wrapped(&result("call 2xx", "")), false),
            ("an error inside", wrapped(&result("call 1xx", r#","isError":true"#)), false),
            ("an error", ERROR.to_owned(), false),
        ] {
            assert_eq!(passes(Method::CallTool, &text), expected, "{name}");
        }
    }

    #[test]
    fn a_list_has_tools() {
        for (name, text, expected) in [
            ("a tool", answer("1", r#"{"tools":[{"name":"a"}],"nextCursor":"a"}"#), true),
            ("none", answer("1", r#"{"tools":[]}"#), false),
            ("another id", answer("2", r#"{"tools":[{"name":"a"}]}"#), false),
            ("a result", answer("1", &result("call 1xx", "")), false),
        ] {
            assert_eq!(passes(Method::List, &text), expected, "{name}");
        }
    }

    #[test]
    fn the_last_event_of_a_stream_is_the_message() {
        for (name, stream, text, events) in [
            ("one", "data: a\n\n", "a", 1),
            ("several", "data: a\n\nevent: message\ndata: b\n\n", "b", 2),
            ("no space, and CR LF", "id: 1\r\ndata:a\r\n\r\n", "a", 1),
            ("one to resume from", "id: 1\ndata:\n\nid: 2\ndata: a\n\n: bye\n\n", "a", 1),
        ] {
            let message = last_event(stream.as_bytes()).expect(name);
            assert_eq!((message.text, message.events), (text.as_bytes(), events), "{name}");
        }
        assert!(last_event(b": nothing\n\n").is_err());
        assert!(last_event(b"data: cut off").is_err());
    }

    #[test]
    fn an_error_repeats_only_the_beginning_of_a_long_answer() {
        let long = answer("1", &result(&"z".repeat(100_000), ""));
        let error = check_message(long.as_bytes(), &expected(Method::Call)).expect_err("wrong");
        assert!(format!("{error:#}").len() < 300, "{error:#}");
        assert_eq!(error_of(br#"{"error":{"code":1}}"#), r#": {"code":1}"#);
        assert_eq!(error_of(b"<html>"), "");
    }
}
