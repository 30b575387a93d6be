//! The result of a tool that stands for a request of another kind.
//!
//! Whatever the request comes to is inside, raw: images, audio, blobs and `_meta` as they came.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Error, Notes, Response, Spelling};
use crate::mcp::splice::quoted;
use crate::mcp::{Message, RequestId, response};

/// Writes an error as a JSON-RPC response.
pub type Render = fn(Option<&RequestId>, &Error) -> Bytes;

/// How a response is wrapped.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) spelling: Spelling,
    pub(super) id: RequestId,
    pub(super) render: Render,
    pub(super) notes: Arc<Notes>,
}

impl Envelope {
    /// The response to the tool call.
    ///
    /// # Errors
    /// With the errors that are about the client's session and not about the tool.
    pub(super) fn wrap(self, answer: Result<Response, Error>) -> Result<Response, Error> {
        let (bytes, outcome) = match answer {
            Err(error @ (Error::NotHome { .. } | Error::Cancelled)) => return Err(error),
            Err(error) => ((self.render)(Some(&self.id), &error), error.outcome()),
            Ok(Response { bytes, outcome }) => (bytes, outcome),
        };
        let answer = Message::parse(bytes).map_err(|_| Error::NoResponse)?;
        let result = match answer.result() {
            Some(result) => self.result(&result),
            None => self.failure(&answer),
        };
        Ok(Response { bytes: response::result(&self.id, &result), outcome })
    }

    fn result(&self, result: &[u8]) -> Vec<u8> {
        match self.spelling {
            Spelling::CallTool => tool(result),
            Spelling::GetResource => resource(result),
            Spelling::GetPrompt => prompt(result),
        }
    }

    /// The text says what failed; the error itself, with its code and data, is in `_meta`.
    fn failure(&self, answer: &Message) -> Vec<u8> {
        #[derive(Default, Deserialize)]
        struct Failure {
            #[serde(default)]
            message: String,
        }
        let error = answer.error().unwrap_or_default();
        let failure: Failure = serde_json::from_slice(&error).unwrap_or_default();
        let what = match self.spelling {
            Spelling::CallTool => "Tool execution failed",
            Spelling::GetResource => "Failed to get resource",
            Spelling::GetPrompt => "Failed to get prompt",
        };
        let text = quoted(&format!("{what}: {}", failure.message));
        let _ = self.notes.error.set(failure.message);
        let content = [br#"[{"type":"text","text":"#, &*text, b"}]"].concat();
        let content = match self.spelling {
            Spelling::CallTool => {
                text_content(&[br#"{"isError":true,"content":"#, &*content, b"}"].concat())
            }
            Spelling::GetResource | Spelling::GetPrompt => content,
        };
        let meta = [br#"{"io.portcullis/error":"#, &*error, b"}"].concat();
        object(&[("content", &content), ("isError", b"true"), ("_meta", &meta)])
    }
}

#[derive(Default, Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default, rename = "isError")]
    is_error: bool,
    #[serde(borrow, default, rename = "structuredContent")]
    structured_content: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// One text that holds the tool's own result as JSON; errors and structured content show outside
/// too, for clients that look there.
fn tool(result: &[u8]) -> Vec<u8> {
    let Ok(parsed) = serde_json::from_slice::<ToolResult<'_>>(result) else {
        return object(&[("content", &text_content(result)), ("isError", b"false")]);
    };
    let is_error: &[u8] = if parsed.is_error { b"true" } else { b"false" };
    let content = parsed.content.map_or(&b"[]"[..], |raw| raw.get().as_bytes());
    let structured = parsed.structured_content.map(|raw| raw.get().as_bytes());
    let meta = parsed.meta.map(|raw| raw.get().as_bytes());
    let mut inner = vec![("isError", is_error), ("content", content)];
    inner.extend(structured.map(|raw| ("structuredContent", raw)));
    inner.extend(meta.map(|raw| ("_meta", raw)));
    let text = text_content(&object(&inner));
    let mut outer = vec![("content", &*text), ("isError", is_error)];
    outer.extend(structured.map(|raw| ("structuredContent", raw)));
    outer.extend(meta.map(|raw| ("_meta", raw)));
    object(&outer)
}

#[derive(Default, Deserialize)]
struct ReadResult<'a> {
    #[serde(borrow, default)]
    contents: Vec<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// Texts as one text, with the whole result beside it; anything else as embedded resources.
fn resource(result: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Contents {
        text: Option<String>,
    }
    let parsed: ReadResult<'_> = serde_json::from_slice(result).unwrap_or_default();
    let text = |raw: &&RawValue| serde_json::from_str::<Contents>(raw.get()).ok()?.text;
    let texts: Vec<_> = parsed.contents.iter().filter_map(text).collect();
    if texts.len() == parsed.contents.len() {
        let content = text_content(texts.join("\n").as_bytes());
        return with_meta(&[("content", &content), ("structuredContent", result)], parsed.meta);
    }
    let embedded = |raw: &&RawValue| format!(r#"{{"type":"resource","resource":{}}}"#, raw.get());
    let content = parsed.contents.iter().map(embedded).collect::<Vec<_>>().join(",");
    with_meta(&[("content", format!("[{content}]").as_bytes())], parsed.meta)
}

#[derive(Default, Deserialize)]
struct PromptResult<'a> {
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

/// The messages as JSON, with the whole result beside them.
fn prompt(result: &[u8]) -> Vec<u8> {
    let parsed: PromptResult<'_> = serde_json::from_slice(result).unwrap_or_default();
    let messages = parsed.messages.map_or("[]", RawValue::get);
    let content = text_content(messages.as_bytes());
    with_meta(&[("content", &content), ("structuredContent", result)], parsed.meta)
}

fn with_meta(fields: &[(&str, &[u8])], meta: Option<&RawValue>) -> Vec<u8> {
    let mut fields = fields.to_vec();
    fields.extend(meta.map(|raw| ("_meta", raw.get().as_bytes())));
    object(&fields)
}

fn text_content(text: &[u8]) -> Vec<u8> {
    let text = quoted(&String::from_utf8_lossy(text));
    [br#"[{"type":"text","text":"#, &*text, b"}]"].concat()
}

fn object(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Vec::with_capacity(size + 2);
    for (at, (name, value)) in fields.iter().enumerate() {
        out.push(if at == 0 { b'{' } else { b',' });
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}
