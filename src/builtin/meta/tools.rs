//! `list_tools` and `describe_tool`.

use serde::Serialize;

use super::item::{Object, Origin};
use super::{Answer, Scene, json};
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::Definition;
use crate::call::ToolResult;
use crate::catalogue::Kind;

pub(super) const LOOKS: &[(Definition, Answer)] = &[(LIST, list), (DESCRIBE, describe)];

const LIST: Definition = Definition {
    name: "list_tools",
    description: "Lists the tools that can be called with call_tool, page by page: name, \
                  description, and the server each is from. \"total\" counts all of them; if \
                  \"truncated\" is true, ask for the next page with offset. To find a tool for a \
                  task, filter_tools is quicker.",
    takes: &[
        Argument::optional(
            "limit",
            Takes::Number { least: 1, otherwise: 50 },
            "How many tools to list at most",
        ),
        Argument::optional(
            "offset",
            Takes::Number { least: 0, otherwise: 0 },
            "How many tools to skip: those of the pages before",
        ),
    ],
};

const DESCRIBE: Definition = Definition {
    name: "describe_tool",
    description: "Tells everything about one tool: its description, the JSON schema of its \
                  arguments, and whatever else its server says of it. Use it before call_tool.",
    takes: &[Argument::required("name", Takes::Text, "The tool's name, as list_tools gives it")],
};

#[derive(Serialize)]
struct Page<'a> {
    tools: Vec<Object<'a>>,
    total: usize,
    truncated: bool,
}

fn list(scene: &Scene, given: &Given) -> ToolResult {
    let (items, tools) = (scene.face.items(Kind::Tool), scene.face.index().tools());
    let (limit, offset) = (given.number("limit"), given.number("offset"));
    let shown = tools.iter().skip(offset).take(limit);
    let shown = shown.map(|tool| {
        let item = &items[tool.place];
        let mut object = Object::default();
        object.put("name", &**item.named.exposed());
        object.put("description", &tool.description);
        Origin::of(item).put(&mut object);
        object
    });
    let truncated = offset.saturating_add(limit) < tools.len();
    json(&Page { tools: shown.collect(), total: tools.len(), truncated })
}

fn describe(scene: &Scene, given: &Given) -> ToolResult {
    let name = given.required("name");
    let described = scene.describe(Kind::Tool, name, &["name", "description", "inputSchema"]);
    described.unwrap_or_else(|| scene.missing(Kind::Tool, name, "Tool not found"))
}
