//! Reads one document: hands out its fields and gathers every problem on the way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::environment::screaming_snake;
use crate::config::{
    Data, ENVIRONMENT_PREFIX, Entry, Environment, Fields, Location, Node, Problem, hint,
};

/// What reading one document needs and gathers.
pub struct Reader<'e> {
    pub(super) location: Location,
    pub(super) directory: PathBuf,
    pub(super) environment: &'e Environment,
    pub(super) overrides: bool,
    pub(super) scalars: BTreeSet<String>,
    pub(super) others: BTreeSet<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl<'e> Reader<'e> {
    /// Reads from `location`; relative paths in it start from `directory`.
    pub fn new(location: Location, directory: &Path, environment: &'e Environment) -> Self {
        Self {
            location,
            directory: directory.to_owned(),
            environment,
            overrides: false,
            scalars: BTreeSet::new(),
            others: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Lets `PORTCULLIS_` variables win over what the document says.
    #[must_use]
    pub fn with_overrides(mut self) -> Self {
        self.overrides = true;
        self
    }

    /// Expands the variables in `node`, which stands at `path`.
    pub fn expand(&mut self, node: &mut Node, path: &str) {
        node.expand(path, &self.location, self.environment, &mut self.problems);
    }

    /// Reads a whole document, which may be missing, and reports the keys that nobody asked for.
    pub fn document<T>(
        &mut self,
        node: Option<&Node>,
        read: impl FnOnce(&mut Fields<'_, 'e>) -> T,
    ) -> T {
        let entries: &[Entry] = match node.map(|node| &node.data) {
            Some(Data::Map(entries)) => entries,
            Some(Data::Text(_) | Data::List(_)) => {
                let message = "is not a mapping; write \"key: value\" lines".to_owned();
                self.problems.push(Problem::new(self.location.clone(), "", message));
                &[]
            }
            Some(Data::Null | Data::Broken) | None => &[],
        };
        let location = node.map_or(self.location.clone(), |node| self.location.at(node.line));
        let mut fields = Fields::new(self, entries, String::new(), location);
        let value = read(&mut fields);
        fields.close();
        value
    }

    /// The problems and the warnings, those about the environment included.
    pub fn finish(mut self) -> (Vec<Problem>, Vec<Problem>) {
        if self.overrides {
            self.unknown_variables();
        }
        (self.problems, self.warnings)
    }

    fn unknown_variables(&mut self) {
        for name in self.environment.settings() {
            let message = if self.others.contains(name) {
                "is not a single value; set it in config.yaml".to_owned()
            } else if self.scalars.contains(name) {
                continue;
            } else {
                let near = hint(name, self.scalars.iter().map(String::as_str));
                // The hint proposes a key; a variable has the prefix.
                let near = near.replacen('"', &format!("\"{ENVIRONMENT_PREFIX}"), 1);
                format!("sets no key of config.yaml{near}")
            };
            let name = format!("{ENVIRONMENT_PREFIX}{name}");
            self.problems.push(Problem::new(Location::environment(), name, message));
        }
    }

    pub(super) fn remember_scalar(&mut self, path: &str) {
        if !self.overrides {
            return; // inside a list, too, which no variable can name
        }
        self.scalars.insert(screaming_snake(path));
    }

    pub(super) fn remember_other(&mut self, path: &str) {
        if !self.overrides {
            return;
        }
        self.others.insert(screaming_snake(path));
    }
}
