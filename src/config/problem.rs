//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value comes from: a file and its line, the environment, or the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file as it was named, or `environment` or `command line`.
    pub file: Arc<Path>,
    /// Counted from 1; absent where there is no line.
    pub line: Option<u32>,
}

impl Location {
    /// A file as a whole.
    pub fn file(file: impl Into<Arc<Path>>) -> Self {
        Self { file: file.into(), line: None }
    }

    /// The process environment.
    pub fn environment() -> Self {
        Self::file(Path::new("environment"))
    }

    /// The arguments of this process.
    pub fn command_line() -> Self {
        Self::file(Path::new("command line"))
    }

    /// The same file at `line`.
    #[must_use]
    pub fn at(&self, line: u32) -> Self {
        Self { file: Arc::clone(&self.file), line: Some(line) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// One thing that is wrong, or worth a warning. Its text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// The key's path, `aggregator.port`; empty for the document itself.
    pub path: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl Problem {
    /// A problem with the value of `path`.
    pub fn new(location: Location, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.location)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
