//! The fields of one mapping, asked for by name.
//!
//! Every `set…` leaves its target alone when the key is missing, null or wrong, so the target's
//! default stands and the next field is still read: all problems are found in one pass.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::environment::variable;
use crate::config::node::join;
use crate::config::{Data, Entry, Location, Node, Problem, Reader, Text, Value, hint};

/// A part of a configuration that is one mapping.
pub trait Section {
    /// Sets what the mapping says; what it does not say keeps its value.
    fn read(&mut self, fields: &mut Fields<'_, '_>);
}

/// One mapping of a document, at its path.
pub struct Fields<'a, 'e> {
    pub(super) reader: &'a mut Reader<'e>,
    entries: &'a [Entry],
    path: String,
    pub(super) location: Location,
    asked: Vec<&'static str>,
    moved: Vec<&'static str>,
}

/// A scalar and where it stands.
pub(super) struct Found {
    pub(super) text: Text,
    pub(super) location: Location,
    pub(super) path: String,
}

impl Found {
    /// What the environment says about `path`.
    pub(super) fn variable(value: &str, path: &str) -> Self {
        let location = Location::environment();
        Self { text: Text::new(value), location, path: variable(path) }
    }
}

impl<'a, 'e> Fields<'a, 'e> {
    pub(super) fn new(
        reader: &'a mut Reader<'e>,
        entries: &'a [Entry],
        path: String,
        location: Location,
    ) -> Self {
        Self { reader, entries, path, location, asked: Vec::new(), moved: Vec::new() }
    }

    /// Sets `target` to the value of `key`.
    pub fn set<T: Value>(&mut self, key: &'static str, target: &mut T) {
        if let Some(value) = self.get(key) {
            *target = value;
        }
    }

    /// Sets `target` to the number at `key`, which must lie in `range`.
    pub fn set_within<T>(&mut self, key: &'static str, target: &mut T, range: RangeInclusive<T>)
    where
        T: Value + PartialOrd + std::fmt::Display,
    {
        let (low, high) = (range.start(), range.end());
        let fault = || format!("is not a whole number from {low} to {high}");
        let read =
            |text: &str| T::read(text).ok().filter(|value| range.contains(value)).ok_or_else(fault);
        if let Some(value) = self.get_with(key, read) {
            *target = value;
        }
    }

    /// Sets `target` to the value of `key` unless `check` says what is wrong with it.
    pub fn set_checked<T: Value>(
        &mut self,
        key: &'static str,
        target: &mut T,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) {
        let read = |text: &str| T::read(text).and_then(|value| check(&value).map(|()| value));
        if let Some(value) = self.get_with(key, read) {
            *target = value;
        }
    }

    /// Sets `target` to the meaning of one word; the words of `later` are known but not supported.
    pub fn choose<T: Copy>(
        &mut self,
        key: &'static str,
        target: &mut T,
        words: &[(&'static str, T)],
        later: &[&'static str],
    ) {
        let chosen = self.get_with(key, |text| {
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
                return Ok(*value);
            }
            if later.contains(&text) {
                return Err("is not supported yet".to_owned());
            }
            let all = || words.iter().map(|(word, _)| *word).chain(later.iter().copied());
            Err(match all().collect::<Vec<_>>().as_slice() {
                [only] => format!("is unknown; only \"{only}\" is allowed"),
                known => format!("is unknown; use {}{}", either(known), hint(text, all())),
            })
        });
        if let Some(value) = chosen {
            *target = value;
        }
    }

    /// The value of `key`, if it is there and right.
    pub fn get<T: Value>(&mut self, key: &'static str) -> Option<T> {
        self.get_with(key, T::read)
    }

    /// The value that `read` makes of the text of `key`.
    pub fn get_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.scalar(key)?;
        self.checked(&found, read)
    }

    /// A path; a relative one starts from the directory of the configuration.
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let path: PathBuf = self.get(key)?;
        Some(self.reader.directory.join(path))
    }

    /// The items of a list, those that are right.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.reader.remember_other(&self.key_path(key));
        let entry = self.take(key)?;
        let path = self.key_path(key);
        let Data::List(items) = &entry.value.data else {
            let item = entry.value.data.shown().unwrap_or("…");
            self.wrong_kind(key, "a list", &format!("[{item}]"));
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(found) = self.text_of(item, path) {
                values.extend(self.checked(&found, &read));
            }
        }
        Some(values)
    }

    /// Sets `target` to the items of a list.
    pub fn set_list<T>(
        &mut self,
        key: &'static str,
        target: &mut Vec<T>,
        read: impl Fn(&str) -> Result<T, String>,
    ) {
        if let Some(values) = self.list(key, read) {
            *target = values;
        }
    }

    /// The entries of a mapping with free keys; its values are secrets and are never shown. `read`
    /// gets key and value.
    pub fn secrets<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str, &str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.reader.remember_other(&self.key_path(key));
        let entry = self.take(key)?;
        let path = self.key_path(key);
        let Data::Map(entries) = &entry.value.data else {
            self.wrong_kind(key, "a mapping", "{NAME: value}");
            return None;
        };
        let mut values = Vec::with_capacity(entries.len());
        for Entry { key, value, .. } in entries {
            let path = join(&path, key);
            let Some(found) = self.text_of(value, path) else { continue };
            match read(key, &found.text.value) {
                Ok(value) => values.push(value),
                Err(fault) => {
                    self.reader.problems.push(Problem::new(found.location, found.path, fault));
                }
            }
        }
        Some(values)
    }

    /// Reads the section `key`, also when it is missing: variables may set what is in it.
    pub fn section(&mut self, key: &'static str, target: &mut impl Section) {
        self.within(key, |fields| target.read(fields));
    }

    /// Reads the mapping `key`, also when it is missing.
    pub fn within<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Fields<'_, 'e>) -> T,
    ) -> T {
        self.reader.remember_other(&self.key_path(key));
        let entry = self.take(key);
        if entry.is_some_and(|entry| matches!(entry.value.data, Data::Text(_) | Data::List(_))) {
            self.wrong_kind(key, "a mapping", "{key: value}");
        }
        let entries: &[Entry] = entry.map_or(&[], |entry| entry.value.entries());
        let location = self.location_of(key);
        let mut fields = Fields::new(self.reader, entries, self.key_path(key), location);
        let value = read(&mut fields);
        fields.close();
        value
    }

    /// Whether `key` has a value.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.take(key).is_some()
    }

    /// The value of `key` as it stands in the document.
    pub fn data(&mut self, key: &'static str) -> Option<&'a Data> {
        self.take(key).map(|entry| &entry.value.data)
    }

    /// Takes `keys` whatever they hold: they are somebody else's, and mean nothing here.
    pub fn accept(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.take(key);
        }
    }

    /// Refuses a key that other versions of the format have, with the way to write it now.
    pub fn moved(&mut self, key: &'static str, instead: &str) {
        self.moved.push(key);
        if self.entry(key).is_some() {
            self.problem(key, instead);
        }
    }

    /// A problem with the value of `key`, or with its absence.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::new(self.location_of(key), self.path_of(key), message);
        self.reader.problems.push(problem);
    }

    /// A problem with the value of `key` in the section `section`, seen from above.
    pub fn problem_below(&mut self, section: &'static str, key: &str, message: impl Into<String>) {
        let entries: &[Entry] = self.entry(section).map_or(&[], |entry| entry.value.entries());
        let (path, location) = (self.key_path(section), self.location_of(section));
        Fields::new(self.reader, entries, path, location).problem(key, message);
    }

    /// A warning about the value of `key`.
    pub fn warning(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::new(self.location_of(key), self.path_of(key), message);
        self.reader.warnings.push(problem);
    }

    /// Where the value of `key` stands; where the mapping stands if there is none.
    pub fn location_of(&self, key: &str) -> Location {
        if self.overriding(key).is_some() {
            return Location::environment();
        }
        self.entry(key).map_or(self.location.clone(), |entry| self.location.at(entry.line))
    }

    /// The node of `key`, for what has no fixed shape.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.entry(key).filter(|entry| entry.value.data != Data::Null)
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        let path = self.key_path(key);
        if self.overriding(key).is_some() { variable(&path) } else { path }
    }

    pub(super) fn key_path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn overriding(&self, key: &str) -> Option<&str> {
        let setting = || self.reader.environment.setting(&self.key_path(key));
        self.reader.overrides.then(setting).flatten()
    }

    pub(super) fn scalar(&mut self, key: &'static str) -> Option<Found> {
        let path = self.key_path(key);
        self.reader.remember_scalar(&path);
        let entry = self.take(key);
        if let Some(text) = self.overriding(key) {
            return Some(Found::variable(text, &path));
        }
        self.text_of(&entry?.value, path)
    }

    fn text_of(&mut self, node: &Node, path: String) -> Option<Found> {
        let location = self.location.at(node.line);
        let fault = match &node.data {
            Data::Text(text) => return Some(Found { text: text.clone(), location, path }),
            Data::Broken => return None,
            Data::Null => "is empty; write \"\" for an empty text",
            Data::List(_) => "must be a single value, not a list",
            Data::Map(_) => "must be a single value, not a mapping",
        };
        self.reader.problems.push(Problem::new(location, path, fault));
        None
    }

    pub(super) fn checked<T>(
        &mut self,
        found: &Found,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let fault = match read(&found.text.value) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        let message = format!("{} {fault}", quoted(found.text.shown()));
        let problem = Problem::new(found.location.clone(), found.path.clone(), message);
        self.reader.problems.push(problem);
        None
    }

    pub(super) fn wrong_kind(&mut self, key: &'static str, kind: &str, example: &str) {
        if self.entry(key).is_some_and(|entry| entry.value.data != Data::Broken) {
            self.problem(key, format!("must be {kind}, for example {example}"));
        }
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn close(mut self) {
        let known = |key: &str| self.asked.contains(&key) || self.moved.contains(&key);
        let unknown: Vec<_> = self.entries.iter().filter(|entry| !known(&entry.key)).collect();
        for entry in unknown {
            let near = hint(&entry.key, self.asked.iter().copied());
            let message = if near.is_empty() {
                let mut seen = Vec::new();
                for key in &self.asked {
                    if !seen.contains(key) {
                        seen.push(*key);
                    }
                }
                format!("unknown key; known are {}", seen.join(", "))
            } else {
                format!("unknown key{near}")
            };
            self.problem(&entry.key, message);
        }
    }
}

/// `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A text as a message repeats it: a URL without what may be a password or a key in it.
fn quoted(text: &str) -> String {
    match text.split_once("://") {
        Some(_) if text.contains('@') => "the value".to_owned(),
        Some((scheme, rest)) if rest.contains('?') => {
            format!("\"{scheme}://{}?…\"", rest.split('?').next().unwrap_or_default())
        }
        _ => format!("{text:?}"),
    }
}
