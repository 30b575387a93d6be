//! What a tool of ours answers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Outcome, Reply, Response};
use crate::mcp::{RequestId, response};

/// The result of a `tools/call` that has one text (MCP, Tools, "Tool Result").
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// What it says.
    pub text: String,
    /// Whether that says what went wrong.
    pub is_error: bool,
}

impl ToolResult {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: false }
    }

    /// A JSON value, written for people and models to read.
    pub fn json(value: &Value) -> Self {
        Self::text(serde_json::to_string_pretty(value).expect("a JSON value can be written"))
    }

    /// What went wrong.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true }
    }

    /// The response to the request with that id.
    pub fn response(&self, id: &RequestId) -> Response {
        let content = json!([{ "type": "text", "text": self.text }]);
        let (result, outcome) = if self.is_error {
            (json!({ "content": content, "isError": true }), Outcome::ErrorResult)
        } else {
            (json!({ "content": content }), Outcome::Ok)
        };
        let bytes: Bytes = response::result(id, result.to_string().as_bytes());
        Response { bytes, outcome, result: None }
    }

    /// The same as a reply.
    pub fn reply(&self, id: &RequestId) -> Reply {
        Reply::message(self.response(id))
    }
}
