//! An MCP server that keeps every byte it is sent.

use serde_json::{Value, json};

use crate::{Answer, Loopback, Received};

/// An MCP server over streamable HTTP with one tool, `note`, which answers `noted`.
pub struct Recorder {
    server: Loopback,
}

impl Recorder {
    /// Starts one on a free port of loopback.
    pub async fn start() -> Self {
        Self { server: Loopback::start(|_| answer).await }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.server.url())
    }

    /// Every byte so far: request lines, headers and bodies of all connections.
    pub fn bytes(&self) -> Vec<u8> {
        self.server.bytes()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.server.requests()
    }

    /// How many calls of its tool there were.
    pub fn calls(&self) -> usize {
        let is_call =
            |request: &Received| String::from_utf8_lossy(&request.body).contains(r#""tools/call""#);
        self.requests().iter().filter(|request| is_call(request)).count()
    }
}

fn answer(request: &Received) -> Answer {
    if request.method != "POST" {
        return Answer::status(405);
    }
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
            "serverInfo": {"name": "recorder", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [
            {"name": "note", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
        ]}),
        Some("prompts/list") => json!({"prompts": [{"name": "hint"}]}),
        Some("prompts/get") => json!({"messages": []}),
        Some("resources/list") => json!({"resources": [{"uri": "note://one", "name": "one"}]}),
        Some("resources/read") => json!({"contents": [{"uri": "note://one", "text": "one"}]}),
        Some("resources/templates/list") => json!({"resourceTemplates": []}),
        Some("tools/call") => json!({"content": [{"type": "text", "text": "noted"}]}),
        Some("ping") => json!({}),
        _ if message["id"].is_null() => return Answer::status(202),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return Answer::json(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error}));
        }
    };
    Answer::json(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}
