//! `list_resources` and `describe_resource`.

use super::item::Object;
use super::{Answer, Scene, json};
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::Definition;
use crate::call::ToolResult;
use crate::catalogue::Kind;

pub(super) const LOOKS: &[(Definition, Answer)] = &[(LIST, list), (DESCRIBE, describe)];

const MEMBERS: &[&str] = &["uri", "uriTemplate", "name", "description", "mimeType"];

const LIST: Definition = Definition {
    name: "list_resources",
    description: "Lists the resources that get_resource can read, with the server each is from. \
                  An entry with a uriTemplate stands for many: fill it in to get a URI.",
    takes: &[],
};

const DESCRIBE: Definition = Definition {
    name: "describe_resource",
    description: "Tells everything that its server says of one resource, without reading it.",
    takes: &[Argument::required(
        "uri",
        Takes::Text,
        "The resource's URI or URI template, as list_resources gives it",
    )],
};

fn list(scene: &Scene, _: &Given) -> ToolResult {
    let kinds = [Kind::Resource, Kind::ResourceTemplate];
    let items = kinds.into_iter().flat_map(|kind| scene.face.items(kind));
    let resources: Vec<_> = items.map(|item| Object::of(item).brief(item, MEMBERS)).collect();
    if resources.is_empty() {
        return ToolResult::text("No resources available");
    }
    json(&resources)
}

fn describe(scene: &Scene, given: &Given) -> ToolResult {
    let uri = given.required("uri");
    let described = [Kind::Resource, Kind::ResourceTemplate]
        .into_iter()
        .find_map(|kind| scene.describe(kind, uri, MEMBERS));
    described.unwrap_or_else(|| scene.missing(Kind::Resource, uri, "Resource not found"))
}
