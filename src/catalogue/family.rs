//! Tools that several backends of one family have in common, exposed once with an argument that
//! says which backend is meant.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Entry;
use crate::mcp::member::{Unclear, member};
use crate::mcp::splice::{quoted, splice};
use crate::mcp::{Span, params};

/// `spec.family`: which backends stand for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyName {
    /// What stands before the names of their tools.
    pub name: Arc<str>,
    /// The argument that names the backend.
    pub instance_arg: Arc<str>,
}

/// A tool of a family.
#[derive(Debug)]
pub struct Family {
    /// The exposed name.
    pub exposed: Arc<str>,
    /// Whose tool it is, and by which argument the backend is named.
    pub name: FamilyName,
    /// The tool of each backend that has it, by the backends' names; at least one.
    instances: Vec<Instance>,
    available: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) entry: Arc<Entry>,
    /// Whether the client may know of it.
    pub(super) is_shown: bool,
}

impl Family {
    pub(super) fn new(exposed: Arc<str>, name: FamilyName, instances: Vec<Instance>) -> Self {
        let shown = instances.iter().filter(|it| it.is_shown);
        let names: Vec<_> = shown.map(|it| it.entry.server()).collect();
        let available = (!names.is_empty()).then(|| names.join(", ").into());
        Self { exposed, name, instances, available }
    }

    /// The tool of one backend, shown or not: policy has its own word on a call.
    pub fn instance(&self, backend: &str) -> Option<&Arc<Entry>> {
        let entry = |it: &&Instance| it.entry.server() == backend;
        self.instances.iter().find(entry).map(|it| &it.entry)
    }

    /// The tool of every backend that has it, shown or not.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.instances.iter().map(|it| &it.entry)
    }

    /// The tools that the client may know of, by the names of their backends.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.instances.iter().filter(|it| it.is_shown).map(|it| &it.entry)
    }

    /// One of them, shown or not.
    pub fn first(&self) -> &Arc<Entry> {
        &self.instances[0].entry
    }

    /// The names of the backends that the client may know of, as texts list them; `None` if there
    /// are none.
    pub fn available(&self) -> Option<&str> {
        self.available.as_deref()
    }

    /// The JSON object that lists it: the first backend's, with the argument in its schema and the
    /// backends in its description. `None` if nobody who has it may be known.
    pub(super) fn item(&self) -> Option<Bytes> {
        let item = &self.shown().next()?.item;
        let tool: Tool<'_> = serde_json::from_slice(item).ok()?;
        let available = self.available()?;
        let name = quoted(&self.exposed);
        let description = quoted(&with_trailer(&tool.description(), available));
        let schema = self.schema(tool.input_schema.map_or("{}", RawValue::get), available);
        let mut edits: Vec<(Span, Vec<u8>)> = vec![(span(item, tool.name), name)];
        let mut added = Vec::new();
        match tool.description {
            Some(old) => edits.push((span(item, old), description)),
            None => added.extend([br#","description":"#, &*description].concat()),
        }
        match tool.input_schema {
            Some(old) => edits.push((span(item, old), schema.to_vec())),
            None => added.extend([br#","inputSchema":"#, &*schema].concat()),
        }
        edits.push((Span::at(close(item)), added));
        Some(edited(item, edits))
    }

    /// A tool's input schema with the argument that names the backend.
    fn schema(&self, schema: &str, available: &str) -> Bytes {
        let argument = &*self.name.instance_arg;
        let names: Vec<_> = self.shown().map(|entry| entry.server()).collect();
        let property = json!({
            "type": "string",
            "enum": names,
            "description": format!("Target instance to execute this tool on. Available: {available}"),
        });
        let member = format!("{}:{property}", json!(argument));
        let required = json!(argument).to_string();
        let parsed: Schema<'_> = serde_json::from_str(schema).unwrap_or_default();
        let mut added = String::new();
        if parsed.r#type.is_none() {
            added.push_str(r#","type":"object""#);
        }
        let mut edits = Vec::new();
        let mut put = |old: Option<&RawValue>, field: &str, new: &str, [open, shut]: [&str; 2]| {
            let Some(old) = old else {
                added.extend([",\"", field, "\":", open, new, shut]);
                return;
            };
            let at = span(schema.as_bytes(), old);
            if !is_there(&old) {
                edits.push((at, format!("{open}{new}{shut}").into_bytes()));
                return;
            }
            let comma = if is_empty(old.get()) { "" } else { "," };
            let end = Span::at(at.start + close(old.get().as_bytes()));
            edits.push((end, format!("{comma}{new}").into_bytes()));
        };
        put(parsed.properties, "properties", &member, ["{", "}"]);
        put(parsed.required, "required", &required, ["[", "]"]);
        let added = if is_empty(schema) { added.trim_start_matches(',') } else { &added };
        edits.push((Span::at(close(schema.as_bytes())), added.as_bytes().to_vec()));
        edited(schema.as_bytes(), edits)
    }
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "params::present")]
    description: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputSchema", deserialize_with = "params::present")]
    input_schema: Option<&'a RawValue>,
}

impl Tool<'_> {
    fn description(&self) -> String {
        let text = self.description.and_then(|raw| serde_json::from_str(raw.get()).ok());
        text.unwrap_or_default()
    }
}

#[derive(Default, Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default, deserialize_with = "params::present")]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "params::present")]
    properties: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "params::present")]
    required: Option<&'a RawValue>,
}

impl Schema<'_> {
    /// Whether the schema of one tool is one that the argument can be added to.
    fn unlike(&self, argument: &str) -> Option<Unlike> {
        let properties = self.properties.filter(is_there).map_or("{}", RawValue::get);
        let required = self.required.filter(is_there).map_or("[]", RawValue::get);
        let Ok(required) = serde_json::from_str::<Vec<Cow<'_, str>>>(required) else {
            return Some(Unlike::Schema);
        };
        match member(properties.as_bytes(), argument) {
            Ok(None) if required.iter().any(|it| it == argument) => Some(Unlike::Argument),
            Ok(None) => None,
            Ok(Some(_)) | Err(Unclear::Twice) => Some(Unlike::Argument),
            Err(Unclear::NotAnObject) => Some(Unlike::Schema),
        }
    }
}

/// Whether it says anything: some servers write `null` where they have nothing.
fn is_there(raw: &&RawValue) -> bool {
    raw.get() != "null"
}

/// Why a tool of a family is exposed for each backend alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Apart {
    /// The family.
    pub family: Arc<str>,
    /// The tool, as the backends call it.
    pub tool: Arc<str>,
    /// What keeps its backends from being one.
    pub why: Unlike,
}

/// What keeps the backends of a family from being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unlike {
    /// They describe the tool in different words.
    Descriptions,
    /// One has an argument of the instance argument's name.
    Argument,
    /// One has no object as its input schema.
    Schema,
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, tool, why } = self;
        let why = match why {
            Unlike::Descriptions => "its members describe it differently",
            Unlike::Argument => "a member has an argument of the instance argument's name",
            Unlike::Schema => "a member's input schema is no object",
        };
        write!(f, "tool {tool:?} of family {family} is exposed for each server alone: {why}")
    }
}

/// What the members of a family contribute to one tool, and whether they can be one.
pub(super) fn unlike(items: &[&Bytes], argument: &str) -> Option<Unlike> {
    let mut descriptions = BTreeSet::new();
    for item in items {
        let Ok(tool) = serde_json::from_slice::<Tool<'_>>(item) else {
            return Some(Unlike::Schema);
        };
        descriptions.insert(tool.description());
        let schema = tool.input_schema.map_or("{}", RawValue::get);
        let Ok(parsed) = serde_json::from_str::<Schema<'_>>(schema) else {
            return Some(Unlike::Schema);
        };
        if !schema.starts_with('{') {
            return Some(Unlike::Schema); // a list of values passes for the fields of a struct
        }
        if let Some(why) = parsed.unlike(argument) {
            return Some(why);
        }
    }
    (descriptions.len() > 1).then_some(Unlike::Descriptions)
}

/// The description with the backends at its end; a list of that kind that is there already goes.
fn with_trailer(description: &str, available: &str) -> String {
    const TRAILER: &str = "(available on servers: ";
    let end = description.trim_end();
    let own = match end.rfind(TRAILER) {
        Some(at) if end[at..].find(')') == Some(end.len() - at - 1) => end[..at].trim_end(),
        _ => end,
    };
    let trailer = format!("{TRAILER}{available})");
    if own.is_empty() { trailer } else { format!("{own} {trailer}") }
}

fn span(whole: &[u8], part: &RawValue) -> Span {
    Span::of(whole, part.get().as_bytes())
}

/// Where the last bracket stands.
fn close(json: &[u8]) -> usize {
    json.trim_ascii_end().len() - 1
}

/// Whether there is nothing between the brackets.
fn is_empty(json: &str) -> bool {
    let json = json.trim();
    json[1..json.len() - 1].trim().is_empty()
}

fn edited(raw: &[u8], mut edits: Vec<(Span, Vec<u8>)>) -> Bytes {
    edits.sort_by_key(|(span, _)| span.start);
    let edits: Vec<_> = edits.iter().map(|(span, with)| (*span, &**with)).collect();
    splice(raw, &edits)
}
