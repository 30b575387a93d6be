//! What the tools of a face say of themselves, read once, for lists and search.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::list::Listed;
use super::search::{Corpus, Hit};
use super::{Named, Source};
use crate::mcp::params;

/// In a tool's `_meta`: what it is filed under, texts by names.
const LABELS: &str = "muster.giantswarm.io/labels";

/// The tools that can be found: all that a client may see but the meta-tools themselves.
#[derive(Debug)]
pub struct Index {
    tools: Vec<Described>,
    corpus: Corpus,
}

/// A tool that can be found.
#[derive(Debug)]
pub struct Described {
    /// Its place among the tools of the face.
    pub place: usize,
    /// What it says of itself.
    pub description: String,
    /// What it is filed under.
    pub labels: BTreeMap<String, String>,
}

impl Index {
    pub(super) fn new(items: &[Listed]) -> Self {
        let (mut tools, mut corpus) = (Vec::with_capacity(items.len()), Corpus::default());
        for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.is_meta()) {
            let tool = Described::read(place, &item.json);
            corpus.add([item.named.exposed(), &tool.description]);
            tools.push(tool);
        }
        Self { tools, corpus }
    }

    /// All of them, in the order of lists.
    pub fn tools(&self) -> &[Described] {
        &self.tools
    }

    /// Those of the candidates, given by their index in [`tools`](Self::tools) in ascending order,
    /// that have a word of the query; the best first.
    pub fn rank(&self, query: &str, candidates: &[usize]) -> Vec<Hit> {
        self.corpus.rank(query, candidates)
    }
}

#[derive(Default, Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default, deserialize_with = "params::present")]
    description: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "params::present")]
    meta: Option<&'a RawValue>,
}

impl Described {
    fn read(place: usize, json: &[u8]) -> Self {
        let tool: Tool<'_> = serde_json::from_slice(json).unwrap_or_default();
        let description = tool.description.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let labels = tool.meta.map(labels).unwrap_or_default();
        Self { place, description: description.unwrap_or_default(), labels }
    }
}

/// Labels that are no texts count as the JSON that they are.
fn labels(meta: &RawValue) -> BTreeMap<String, String> {
    let mut meta: BTreeMap<String, Value> = serde_json::from_str(meta.get()).unwrap_or_default();
    let Some(Value::Object(labels)) = meta.remove(LABELS) else { return BTreeMap::new() };
    let label = |(name, value)| match value {
        Value::String(text) => (name, text),
        other => (name, other.to_string()),
    };
    labels.into_iter().map(label).collect()
}

impl Listed {
    /// Whether it is a way to what is exposed, and no such thing itself.
    pub fn is_meta(&self) -> bool {
        self.named.entry().is_some_and(|entry| entry.is_meta())
    }

    /// The kind of its origin, as people name it.
    pub fn origin(&self) -> &'static str {
        match &self.named {
            Named::Family(_) => "family",
            Named::Entry(entry) => match &entry.source {
                Source::Backend(_) => "backend",
                Source::Own { .. } => "core",
                Source::Spelling(_) => "meta",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_read_as_far_as_it_makes_sense() {
        let labelled = r#"{"description":"d","_meta":{"x":1,"muster.giantswarm.io/labels":{"area":"maths","level":1}}}"#;
        for (json, description, labels) in [
            (labelled, "d", &[("area", "maths"), ("level", "1")][..]),
            (r#"{"name":"a"}"#, "", &[]),
            (r#"{"description":5,"_meta":[]}"#, "", &[]),
            (r#"{"description":"d","_meta":{"muster.giantswarm.io/labels":"maths"}}"#, "d", &[]),
        ] {
            let tool = Described::read(0, json.as_bytes());
            let found = tool.labels.iter().map(|(name, value)| (&**name, &**value));
            assert_eq!(tool.description, description, "{json}");
            assert_eq!(found.collect::<Vec<_>>(), labels, "{json}");
        }
    }
}
