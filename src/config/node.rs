//! A YAML document as a tree that knows its lines.

use crate::config::{Environment, Location, Problem, expand};

/// A value and the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: u32,
    /// The value.
    pub data: Data,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing, `~` or `null`: the same as leaving the key out.
    Null,
    /// A scalar; its type is decided by who reads it.
    Text(Text),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, without duplicates.
    Map(Vec<Entry>),
    /// A value with which something is wrong that has already been reported.
    Broken,
}

impl Data {
    /// The text of a scalar as the user wrote it.
    pub(crate) fn shown(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.shown()),
            _ => None,
        }
    }
}

/// A scalar as it is written: `y`, `08` and `1e3` stay what they are where a string is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, with its variables expanded where they are.
    pub value: String,
    /// The text before expansion, if that changed it: what a message may show.
    pub written: Option<String>,
}

impl Text {
    /// A text without variables.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), written: None }
    }

    /// The text as the user wrote it, which holds no secret from the environment.
    pub fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.value)
    }
}

/// One key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// The line of the key.
    pub line: u32,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of `key`, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The entries of a mapping, to be changed.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&str, &mut Self)> {
        let entries = match &mut self.data {
            Data::Map(entries) => entries.as_mut_slice(),
            _ => &mut [],
        };
        entries.iter_mut().map(|entry| (entry.key.as_str(), &mut entry.value))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    /// Expands the variables in every scalar below, and reports those that cannot be.
    pub(crate) fn expand(
        &mut self,
        path: &str,
        location: &Location,
        environment: &Environment,
        problems: &mut Vec<Problem>,
    ) {
        match &mut self.data {
            Data::Text(text) => match expand(&text.value, environment) {
                Ok(value) if value == text.value => {}
                Ok(value) => text.written = Some(std::mem::replace(&mut text.value, value)),
                Err(error) => {
                    problems.push(Problem::new(location.at(self.line), path, error.to_string()));
                    self.data = Data::Broken;
                }
            },
            Data::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.expand(&format!("{path}[{index}]"), location, environment, problems);
                }
            }
            Data::Map(entries) => {
                for Entry { key, value, .. } in entries {
                    value.expand(&join(path, key), location, environment, problems);
                }
            }
            Data::Null | Data::Broken => {}
        }
    }
}

/// `aggregator` and `port` make `aggregator.port`; a key that is no plain word is quoted.
pub(crate) fn join(path: &str, key: &str) -> String {
    let word =
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match (path.is_empty(), word) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}
