//! From a directory or a file to everything the gateway needs to start.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::app::config::Config;
use crate::config::{
    Document, Environment, Location, Problem, Reader, Section, parse_yaml, read_file,
};
use crate::definitions::{Objects, Quarantined, Server};

/// A configuration the gateway can start with.
#[derive(Debug)]
pub struct Loaded {
    /// `config.yaml`.
    pub config: Config,
    /// The MCP servers that are right.
    pub servers: Vec<Server>,
    /// The objects that are wrong; the gateway starts without them.
    pub quarantined: Vec<Quarantined>,
    /// What to tell the user; nothing depends on it.
    pub warnings: Vec<Problem>,
}

/// A configuration the gateway must not start with.
#[derive(Debug)]
pub struct Refused {
    /// Why, at least one thing.
    pub problems: Vec<Problem>,
    /// The objects that are wrong too.
    pub quarantined: Vec<Quarantined>,
    /// What to tell the user besides.
    pub warnings: Vec<Problem>,
}

/// One problem a line.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Where the configuration is when nobody says: `$XDG_CONFIG_HOME/portcullis`, else
/// `~/.config/portcullis`.
pub fn default_directory(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name| environment.get(name).map(Path::new).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").map(Path::to_owned);
    let base = base.or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(base.join("portcullis"))
}

/// Loads the directory or file at `path`; without one the default directory, which may be missing.
///
/// # Errors
/// When the gateway must not start with it. All problems are in there.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Loaded, Refused> {
    let mut loading = Loading { environment, problems: Vec::new(), warnings: Vec::new() };
    let (config, mut objects) = match path {
        Some(path) => loading.named(path),
        None => match default_directory(environment) {
            Some(directory) => loading.directory(&directory),
            None => {
                (loading.config(None, Location::environment(), Path::new("")), Objects::default())
            }
        },
    };
    let Loading { mut problems, mut warnings, .. } = loading;
    problems.append(&mut objects.refused);
    warnings.append(&mut objects.warnings);
    problems.sort();
    warnings.sort();
    let Objects { servers, quarantined, .. } = objects;
    if problems.is_empty() {
        Ok(Loaded { config, servers, quarantined, warnings })
    } else {
        Err(Refused { problems, quarantined, warnings })
    }
}

struct Loading<'e> {
    environment: &'e Environment,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Loading<'_> {
    fn named(&mut self, path: &Path) -> (Config, Objects) {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => self.directory(path),
            Ok(_) => self.file(path),
            Err(error) => {
                let message = format!("cannot be read: {error}; name a directory or a file");
                self.problems.push(Problem::new(Location::file(path), "", message));
                (Config::default(), Objects::default())
            }
        }
    }

    fn directory(&mut self, directory: &Path) -> (Config, Objects) {
        let path = directory.join("config.yaml");
        let location = Location::file(path.as_path());
        // A missing file means defaults; one that is there and cannot be read does not.
        let missing = path
            .symlink_metadata()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        let documents = if missing { Vec::new() } else { self.read(&path, &location) };
        let mut documents = documents.into_iter();
        let first = documents.next();
        for second in documents {
            let message = "config.yaml is one document; objects have files in mcpservers/";
            self.problems.push(Problem::new(location.at(second.root.line), "", message));
        }
        let config = self.config(first, location, directory);
        (config, Objects::of_directory(directory, self.environment))
    }

    fn file(&mut self, path: &Path) -> (Config, Objects) {
        let location = Location::file(path);
        let directory = path.parent().unwrap_or(Path::new(""));
        let (mut config, mut objects) = (None, Objects::default());
        for document in self.read(path, &location) {
            if document.root.get("kind").is_some() {
                objects.document(document, &location, directory, self.environment);
            } else if config.is_none() {
                config = Some(document);
            } else {
                let message = "is a second document without kind; only one can be config.yaml";
                self.problems.push(Problem::new(location.at(document.root.line), "", message));
            }
        }
        (self.config(config, location, directory), objects)
    }

    fn read(&mut self, path: &Path, location: &Location) -> Vec<Document> {
        let text = match read_file(path) {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return Vec::new();
            }
        };
        let (documents, error) = parse_yaml(&text, location);
        self.problems.extend(error);
        documents
    }

    fn config(
        &mut self,
        document: Option<Document>,
        location: Location,
        directory: &Path,
    ) -> Config {
        let mut reader = Reader::new(location, directory, self.environment).with_overrides();
        let root = document.map(|Document { mut root, problems }| {
            self.problems.extend(problems);
            reader.expand(&mut root, "");
            root
        });
        let mut config = Config::default();
        reader.document(root.as_ref(), |fields| config.read(fields));
        let (problems, warnings) = reader.finish();
        self.problems.extend(problems);
        self.warnings.extend(warnings);
        config
    }
}
