//! `filter_tools` and `list_core_tools`: one engine that narrows, ranks and cuts the list of tools.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::item::{Object, Origin};
use super::pattern::Pattern;
use super::{Answer, Scene, json};
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::Definition;
use crate::call::ToolResult;
use crate::catalogue::{Described, Kind, Listed};

pub(super) const LOOKS: &[(Definition, Answer)] = &[(CORE, core), (FILTER, filter)];

/// How many characters a summary has at most.
const SUMMARY_CHARS: usize = 120;

const CORE: Definition = Definition {
    name: "list_core_tools",
    description: "Lists the gateway's own tools, which look at the gateway and change it, with \
                  their schemas.",
    takes: &[Argument::optional(
        "include_schema",
        Takes::FlagOn,
        "Whether to give the JSON schema of each tool's arguments",
    )],
};

const FILTER: Definition = Definition {
    name: "filter_tools",
    description: "Finds tools. Say in a few words what you want to do with query, and the best \
                  matches come first; pattern, description_filter and labels narrow the search. \
                  \"total\" counts all matches; if \"truncated\" is true, offset gives more.",
    takes: &[
        Argument::optional(
            "pattern",
            Takes::Text,
            "What names look like, for example x_github_*: * is anything, ? one character, \
             [a-z] one of these",
        ),
        Argument::optional(
            "description_filter",
            Takes::Text,
            "A text that the description contains",
        ),
        Argument::optional("query", Takes::Text, "What the tool is for, in a few words"),
        Argument::optional("labels", Takes::Object, "Labels that the tool has, with their values"),
        Argument::optional(
            "case_sensitive",
            Takes::Flag,
            "Whether upper and lower case differ in pattern and description_filter",
        ),
        Argument::optional(
            "include_schema",
            Takes::Flag,
            "Whether to give the whole description and the JSON schema of each tool's arguments",
        ),
        Argument::optional(
            "limit",
            Takes::Number { least: 1, otherwise: 5 },
            "How many tools to give at most",
        ),
        Argument::optional(
            "offset",
            Takes::Number { least: 0, otherwise: 0 },
            "How many matches to skip",
        ),
    ],
};

/// How long a text to search with may be: longer than any name, and than what one wants to do.
const MAX_TEXT_BYTES: usize = 1000;

/// What is asked for, as the answer repeats it.
#[derive(Serialize)]
struct Filters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description_filter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, String>,
    case_sensitive: bool,
    include_schema: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    offset: usize,
}

#[derive(Serialize)]
struct Found<'a> {
    filters: &'a Filters<'a>,
    /// All tools.
    total_tools: usize,
    /// Those on this page.
    filtered_count: usize,
    /// All that match.
    total: usize,
    truncated: bool,
    tools: Vec<Object<'a>>,
}

fn core(scene: &Scene, given: &Given) -> ToolResult {
    let filters = Filters {
        pattern: Some("core*"),
        description_filter: None,
        query: None,
        labels: BTreeMap::new(),
        case_sensitive: false,
        include_schema: given.flag("include_schema"),
        limit: None,
        offset: 0,
    };
    // A backend's tool may be called like one of ours.
    answer(scene, &filters, Detail::Whole, |item| item.origin() == "core")
}

fn filter(scene: &Scene, given: &Given) -> ToolResult {
    let text = |name| given.text(name).filter(|text| !text.is_empty());
    for name in ["pattern", "description_filter", "query"] {
        if text(name).is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
            return ToolResult::error(format!("{name} is longer than {MAX_TEXT_BYTES} bytes"));
        }
    }
    let labels = given.object("labels").into_iter().flatten();
    let filters = Filters {
        pattern: text("pattern"),
        description_filter: text("description_filter"),
        query: text("query"),
        labels: labels.map(|(name, value)| (&**name, label(value))).collect(),
        case_sensitive: given.flag("case_sensitive"),
        include_schema: given.flag("include_schema"),
        limit: Some(given.number("limit")),
        offset: given.number("offset"),
    };
    let detail = if filters.include_schema { Detail::Whole } else { Detail::Summary };
    answer(scene, &filters, detail, |_| true)
}

/// How much of a description is shown.
#[derive(Clone, Copy)]
enum Detail {
    Whole,
    Summary,
}

fn answer(
    scene: &Scene,
    filters: &Filters<'_>,
    detail: Detail,
    is_meant: impl Fn(&Listed) -> bool,
) -> ToolResult {
    let (items, index) = (scene.face.items(Kind::Tool), scene.face.index());
    let tools = index.tools();
    if tools.is_empty() {
        return ToolResult::text("No tools available to filter");
    }
    let narrow = match Narrow::new(filters) {
        Ok(narrow) => narrow,
        Err(text) => return ToolResult::error(text),
    };
    let passes =
        |tool: &Described| is_meant(&items[tool.place]) && narrow.passes(&items[tool.place], tool);
    let matching: Vec<_> =
        (0..tools.len()).filter(|candidate| passes(&tools[*candidate])).collect();
    let ranked: Vec<_> = match filters.query {
        Some(query) => {
            index.rank(query, &matching).iter().map(|it| (it.document, Some(it.score))).collect()
        }
        None => matching.into_iter().map(|it| (it, None)).collect(),
    };
    let shown = ranked.iter().skip(filters.offset).take(filters.limit.unwrap_or(usize::MAX));
    let shown: Vec<_> = shown
        .map(|(place, score)| {
            let tool = &tools[*place];
            told(&items[tool.place], tool, *score, detail, filters.include_schema)
        })
        .collect();
    json(&Found {
        filters,
        total_tools: tools.len(),
        filtered_count: shown.len(),
        total: ranked.len(),
        truncated: filters.offset.saturating_add(shown.len()) < ranked.len(),
        tools: shown,
    })
}

fn told<'a>(
    item: &'a Listed,
    tool: &Described,
    score: Option<f64>,
    detail: Detail,
    with_schema: bool,
) -> Object<'a> {
    let mut object = Object::default();
    object.put("name", &**item.named.exposed());
    match detail {
        Detail::Whole => object.put("description", &tool.description),
        Detail::Summary => object.put("summary", &*summary(&tool.description)),
    }
    if let Some(score) = score {
        object.put("score", &rounded(score));
    }
    if !tool.labels.is_empty() {
        object.put("labels", &tool.labels);
    }
    Origin::of(item).put(&mut object);
    if with_schema {
        object.take("inputSchema", &Object::of(item));
    }
    object
}

/// What a tool has to be like.
struct Narrow<'a> {
    pattern: Option<Pattern>,
    text: Option<Cow<'a, str>>,
    filters: &'a Filters<'a>,
}

impl<'a> Narrow<'a> {
    fn new(filters: &'a Filters<'a>) -> Result<Self, String> {
        let cased = |text: &'a str| cased(text, filters.case_sensitive);
        let pattern = |text: &'a str| {
            Pattern::parse(&cased(text))
                .map_err(|error| format!("Invalid pattern {text:?}: {error}"))
        };
        let pattern = filters.pattern.map(pattern).transpose()?;
        Ok(Self { pattern, text: filters.description_filter.map(cased), filters })
    }

    fn passes(&self, item: &Listed, tool: &Described) -> bool {
        let cased = |text| cased(text, self.filters.case_sensitive);
        let has_name = |pattern: &Pattern| pattern.matches(&cased(item.named.exposed()));
        let has_text = |text: &Cow<'_, str>| cased(&tool.description).contains(&**text);
        self.pattern.as_ref().is_none_or(has_name)
            && self.text.as_ref().is_none_or(has_text)
            && self.filters.labels.iter().all(|(name, value)| tool.labels.get(*name) == Some(value))
    }
}

fn cased(text: &str, is_case_sensitive: bool) -> Cow<'_, str> {
    if is_case_sensitive { text.into() } else { text.to_lowercase().into() }
}

/// A label that is no text counts as the JSON that it is.
fn label(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The first line that says something, shortened.
fn summary(description: &str) -> Cow<'_, str> {
    let line = description.trim_start().lines().next().unwrap_or_default().trim_end();
    match line.char_indices().nth(SUMMARY_CHARS) {
        Some((end, _)) => format!("{}...", line[..end].trim_end()).into(),
        None => line.into(),
    }
}

/// To four decimals, and never to zero: what does not match is not shown.
fn rounded(score: f64) -> f64 {
    (score * 1e4).round().max(1.0) / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_short_line() {
        let long = "é".repeat(200);
        let cut = format!("{}...", "é".repeat(120));
        for (description, expected) in [
            ("One line.", "One line."),
            ("\n    Reads a file.  \r\n\n    Args: ...", "Reads a file."),
            ("", ""),
            (&*long, &*cut),
        ] {
            assert_eq!(summary(description), expected);
        }
    }

    #[test]
    fn scores_are_short_and_never_zero() {
        assert!((rounded(1.234_56) - 1.2346).abs() < f64::EPSILON);
        assert!((rounded(0.000_01) - 0.0001).abs() < f64::EPSILON);
    }
}
