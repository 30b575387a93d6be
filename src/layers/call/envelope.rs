//! The result of a tool that stands for a request of another kind.
//!
//! Whatever the request comes to is inside, raw: images, audio, blobs and `_meta` as they came.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Error, Notes, Outcome, Response, Spelling};
use crate::mcp::member::texts;
use crate::mcp::{Message, RequestId, Span, response};

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
    /// With the errors that are about the client's session or its proof and not about the tool.
    pub(super) fn wrap(self, answer: Result<Response, Error>) -> Result<Response, Error> {
        let (answer, outcome) = match answer {
            Err(error @ (Error::NotHome { .. } | Error::Scope { .. } | Error::Cancelled)) => {
                return Err(error);
            }
            Err(error) => ((self.render)(Some(&self.id), &error), error.outcome()),
            Ok(Response { bytes, outcome, result: Some(Span { start, end }) }) => {
                return Ok(
                    self.response(outcome, &bytes, |out| self.result(out, &bytes[start..end]))
                );
            }
            Ok(Response { bytes, outcome, result: None }) => (bytes, outcome),
        };
        let answer = Message::parse(answer).map_err(|_| Error::NoResponse)?;
        Ok(self.response(outcome, answer.raw(), |out| match answer.result() {
            Some(result) => self.result(out, &result),
            None => self.failure(out, &answer),
        }))
    }

    fn response(
        &self,
        outcome: Outcome,
        answer: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Response {
        let size = answer.len() * 5 / 4 + 256;
        Response { bytes: response::result_of(&self.id, size, write), outcome, result: None }
    }

    fn result(&self, out: &mut Vec<u8>, result: &[u8]) {
        let mut object = Object::open(out);
        match (texts(result), self.spelling) {
            (Some(members), Spelling::CallTool) => tool(&mut object, &members),
            (Some(members), Spelling::GetResource) => resource(&mut object, result, &members),
            (Some(members), Spelling::GetPrompt) => prompt(&mut object, result, &members),
            (None, _) => object.text(&String::from_utf8_lossy(result)),
        }
        object.close();
    }

    /// The text says what failed; the error itself, with its code and data, is in `_meta`.
    fn failure(&self, out: &mut Vec<u8>, answer: &Message) {
        #[derive(Deserialize)]
        struct Failure {
            message: String,
        }
        let error = answer.error().unwrap_or_default();
        let message = match serde_json::from_slice(&error) {
            Ok(Failure { message }) => message,
            Err(_) => String::from_utf8_lossy(&error).into_owned(),
        };
        let what = match self.spelling {
            Spelling::CallTool => "Tool execution failed",
            Spelling::GetResource => "Failed to get resource",
            Spelling::GetPrompt => "Failed to get prompt",
        };
        let text = format!("{what}: {message}");
        let _ = self.notes.error.set(message);
        let mut object = Object::open(out);
        match self.spelling {
            Spelling::CallTool => {
                let mut inner = Vec::new();
                let mut own = Object::open(&mut inner);
                own.put("isError", b"true");
                own.text(&text);
                own.close();
                object.text(&String::from_utf8_lossy(&inner));
            }
            Spelling::GetResource | Spelling::GetPrompt => object.text(&text),
        }
        object.put("isError", b"true");
        let meta = [br#"{"io.portcullis/error":"#, &*error, b"}"].concat();
        object.put("_meta", &meta);
        object.close();
    }
}

type Members<'a> = [(Cow<'a, str>, &'a str)];

fn find<'a>(members: &Members<'a>, name: &str) -> Option<&'a str> {
    members.iter().find(|(it, _)| it == name).map(|(_, value)| *value)
}

/// One text that holds the tool's own result as JSON. Outside is everything but the content again:
/// errors and structured content, for clients that look there, `_meta`, and what we do not know.
fn tool(out: &mut Object<'_>, members: &Members<'_>) {
    let is_error = if find(members, "isError") == Some("true") { "true" } else { "false" };
    let mut text = Vec::with_capacity(out.0.capacity());
    let mut inner = Object::open(&mut text);
    inner.put("isError", is_error.as_bytes());
    inner.put("content", find(members, "content").unwrap_or("[]").as_bytes());
    others(&mut inner, members);
    inner.close();
    out.text(&String::from_utf8_lossy(&text));
    out.put("isError", is_error.as_bytes());
    others(out, members);
}

fn others(out: &mut Object<'_>, members: &Members<'_>) {
    for (name, value) in members.iter().filter(|(it, _)| it != "isError" && it != "content") {
        out.put(name, value.as_bytes());
    }
}

/// Texts as one text, with the whole result beside it; anything else as embedded resources.
fn resource(out: &mut Object<'_>, result: &[u8], members: &Members<'_>) {
    #[derive(Deserialize)]
    struct Contents {
        text: String,
    }
    let contents = find(members, "contents").unwrap_or_default();
    let Ok(contents) = serde_json::from_str::<Vec<&RawValue>>(contents) else {
        out.text(&String::from_utf8_lossy(result));
        return out.meta(members);
    };
    let text = |raw: &&RawValue| serde_json::from_str::<Contents>(raw.get()).ok();
    let texts: Option<Vec<_>> = contents.iter().map(|raw| Some(text(raw)?.text)).collect();
    if let Some(texts) = texts {
        out.text(&texts.join("\n"));
        out.put("structuredContent", result);
        return out.meta(members);
    }
    let embedded = |raw: &&RawValue| format!(r#"{{"type":"resource","resource":{raw}}}"#);
    let content = contents.iter().map(embedded).collect::<Vec<_>>().join(",");
    out.put("content", format!("[{content}]").as_bytes());
    for (name, value) in members.iter().filter(|(it, _)| it != "contents" && it != "content") {
        out.put(name, value.as_bytes());
    }
}

/// The messages as JSON, with the whole result beside them.
fn prompt(out: &mut Object<'_>, result: &[u8], members: &Members<'_>) {
    out.text(find(members, "messages").unwrap_or("[]"));
    out.put("structuredContent", result);
    out.meta(members);
}

/// A JSON object that is written member by member.
struct Object<'a>(&'a mut Vec<u8>);

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self(out)
    }

    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.string(name);
        self.0.push(b':');
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.0, text).expect("writing to a vector does not fail");
    }

    fn put(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    /// `content` with one text.
    fn text(&mut self, text: &str) {
        self.name("content");
        self.0.extend_from_slice(br#"[{"type":"text","text":"#);
        self.string(text);
        self.0.extend_from_slice(b"}]");
    }

    fn meta(&mut self, members: &Members<'_>) {
        if let Some(meta) = find(members, "_meta") {
            self.put("_meta", meta.as_bytes());
        }
    }

    fn close(self) {
        self.0.push(b'}');
    }
}

#[cfg(test)]
mod tests;
