//! What the demo server offers, as it is listed.

use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Names that `greet` completes.
pub(super) const NAMES: [&str; 5] = ["Ada", "Alan", "Barbara", "Edsger", "Grace"];
/// Ids that `demo://item/{id}` completes; every other id exists too.
pub(super) const ITEMS: [&str; 4] = ["apple", "apricot", "banana", "cherry"];
/// The URI of the one listed resource.
pub(super) const README: &str = "demo://readme";
/// What the URIs of the template begin with.
pub(super) const ITEM: &str = "demo://item/";

pub(super) fn tools() -> Vec<Tool> {
    let harmless = json!({ "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false });
    typed(json!([
        {
            "name": "echo",
            "title": "Echo",
            "description": "Gives the message back as it is.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "message": { "type": "string", "description": "Any text." }
                },
                "required": ["message"]
            },
            "annotations": harmless,
        },
        {
            "name": "add",
            "title": "Add",
            "description": "Adds two numbers.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "a": { "type": "number", "description": "The first number." },
                    "b": { "type": "number", "description": "The second number." }
                },
                "required": ["a", "b"]
            },
            "outputSchema": {
                "type": "object",
                "properties": { "sum": { "type": "number" } },
                "required": ["sum"]
            },
            "annotations": harmless,
        },
        {
            "name": "slow",
            "title": "Slow",
            "description": "Takes its time, tells its progress if asked to, and stops when it is \
                            cancelled.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "ms": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": 600_000,
                        "description": "How many milliseconds it takes."
                    }
                },
                "required": ["ms"]
            },
            "annotations": harmless,
        },
        {
            "name": "fail",
            "title": "Fail",
            "description": "Always fails: its result is a tool error.",
            "inputSchema": { "type": "object" },
            "annotations": harmless,
        },
    ]))
}

pub(super) fn resources() -> Vec<Resource> {
    typed(json!([{
        "uri": README,
        "name": "readme",
        "title": "About the demo server",
        "description": "What this server offers.",
        "mimeType": "text/markdown",
    }]))
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    typed(json!([{
        "uriTemplate": format!("{ITEM}{{id}}"),
        "name": "item",
        "title": "Item",
        "description": "An item by its id; every id exists.",
        "mimeType": "application/json",
    }]))
}

pub(super) fn prompts() -> Vec<Prompt> {
    typed(json!([{
        "name": "greet",
        "title": "Greet",
        "description": "Asks the model to greet somebody.",
        "arguments": [{ "name": "who", "description": "Whom to greet.", "required": true }],
    }]))
}

fn typed<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("the demo server's offer is valid")
}
