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
pub(super) struct Message<'a> {
    pub(super) text: &'a [u8],
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
pub(super) fn message<'a>(response: &Exchange<'a>) -> anyhow::Result<Message<'a>> {
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
