//! `list_prompts` and `describe_prompt`.

use super::item::Object;
use super::{Answer, Scene, json};
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::Definition;
use crate::call::ToolResult;
use crate::catalogue::Kind;

pub(super) const LOOKS: &[(Definition, Answer)] = &[(LIST, list), (DESCRIBE, describe)];

const LIST: Definition = Definition {
    name: "list_prompts",
    description: "Lists the prompts that get_prompt can get, with the server each is from.",
    takes: &[],
};

const DESCRIBE: Definition = Definition {
    name: "describe_prompt",
    description: "Tells everything that its server says of one prompt, above all which arguments \
                  it takes.",
    takes: &[Argument::required(
        "name",
        Takes::Text,
        "The prompt's name, as list_prompts gives it",
    )],
};

fn list(scene: &Scene, _: &Given) -> ToolResult {
    let items = scene.face.items(Kind::Prompt).iter();
    let prompts: Vec<_> =
        items.map(|item| Object::of(item).brief(item, &["name", "description"])).collect();
    if prompts.is_empty() {
        return ToolResult::text("No prompts available");
    }
    json(&prompts)
}

fn describe(scene: &Scene, given: &Given) -> ToolResult {
    let name = given.required("name");
    let described = scene.describe(Kind::Prompt, name, &["name", "description", "arguments"]);
    described.unwrap_or_else(|| scene.missing(Kind::Prompt, name, "Prompt not found"))
}
