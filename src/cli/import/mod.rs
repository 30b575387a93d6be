//! `portcullis import`: turns a client's `mcp.json` into MCP servers.

mod entry;
mod jsonc;
mod secrets;
mod variables;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value as Json};

use crate::app::load::default_directory;
use crate::cli::ConfigArgs;
use crate::config::{Environment, Location, parse_yaml, read_file};
use crate::definitions::Objects;
use entry::Imported;
use variables::Variables;

/// Arguments of `portcullis import`.
#[derive(Clone, Debug, Default, Args)]
pub struct ImportArgs {
    /// The client's file: its mcp.json, or the settings.json of an editor
    pub file: PathBuf,
    /// The directory that gets the MCP servers.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What became of the servers of one file.
#[derive(Default)]
struct Outcome {
    written: Vec<(Imported, PathBuf)>,
    failed: Vec<(String, String)>,
    variables: Variables,
}

impl ImportArgs {
    /// Writes one file for each server that can be taken over, and says what to do about the rest.
    /// Fails if one could not be taken over.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn run(&self, environment: &Environment, out: &mut impl Write) -> io::Result<ExitCode> {
        let target = self.target(environment);
        match target.and_then(|directory| Ok((servers(&self.file)?, directory))) {
            Ok((servers, directory)) => {
                let outcome = import(servers, &self.file, &directory, environment);
                outcome.report(&directory, out)
            }
            Err(message) => {
                writeln!(out, "{message}")?;
                Ok(ExitCode::FAILURE)
            }
        }
    }

    fn target(&self, environment: &Environment) -> Result<PathBuf, String> {
        let named = self.config.config.clone();
        let directory = named
            .or_else(|| default_directory(environment))
            .ok_or("there is no home directory to write to; use --config DIR")?;
        if directory.is_file() {
            return Err(format!(
                "{}: is a file; name a directory to write to",
                directory.display()
            ));
        }
        Ok(directory)
    }
}

/// The servers in `file` by the names they have there.
fn servers(file: &Path) -> Result<Map<String, Json>, String> {
    let text = read_file(file).map_err(|problem| problem.to_string())?;
    let fault = |message: String| format!("{}: {message}", file.display());
    let json: Json = serde_json::from_str(&jsonc::strip(&text))
        .map_err(|error| fault(format!("is not JSON: {error}")))?;
    // VS Code's settings.json has them below `mcp`.
    [Some(&json), json.get("mcp")]
        .into_iter()
        .flatten()
        .flat_map(|json| [json.get("mcpServers"), json.get("servers")])
        .flatten()
        .find_map(Json::as_object)
        .cloned()
        .ok_or_else(|| fault("has no mcpServers and no servers".to_owned()))
}

fn import(
    servers: Map<String, Json>,
    file: &Path,
    directory: &Path,
    environment: &Environment,
) -> Outcome {
    let existing = Objects::of_directory(directory, environment);
    let mut taken = existing.names().clone();
    let origin = file.file_name().unwrap_or_default().to_string_lossy();
    let mut outcome = Outcome::default();
    for (name, server) in servers {
        let imported = Imported::new(&name, &server, &origin, &mut outcome.variables);
        let written = imported.and_then(|imported| {
            if let Some(first) = taken.get(&imported.name) {
                return Err(format!("its name becomes {}, which {first} has", imported.name));
            }
            valid(&imported.yaml)?;
            let path = write(directory, &imported)?;
            taken.insert(imported.name.clone(), Location::file(path.as_path()));
            Ok((imported, path))
        });
        match written {
            Ok(written) => outcome.written.push(written),
            Err(fault) => outcome.failed.push((name, fault)),
        }
    }
    let kept: Vec<&str> = outcome.written.iter().map(|(server, _)| &*server.name).collect();
    outcome.variables.keep_only(&kept);
    outcome
}

/// What was written must be read without a problem, whatever its variables will be.
fn valid(yaml: &str) -> Result<(), String> {
    let file = Location::file(Path::new("import"));
    let (documents, error) = parse_yaml(yaml, &file);
    if let Some(error) = error {
        return Err(error.message);
    }
    let environment: Environment =
        variables::references(yaml).map(|name| (name.to_owned(), "1")).collect();
    let mut objects = Objects::default();
    for document in documents {
        objects.document(document, &file, Path::new(""), &environment);
    }
    let problems: Vec<_> = objects
        .quarantined
        .iter()
        .flat_map(|object| &object.problems)
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn write(directory: &Path, imported: &Imported) -> Result<PathBuf, String> {
    let directory = directory.join("mcpservers");
    let path = directory.join(format!("{}.yaml", imported.name));
    let fault = |error: io::Error| format!("{}: cannot be written: {error}", path.display());
    fs::create_dir_all(&directory).map_err(fault)?;
    let mut file = File::create_new(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{} exists already", path.display()),
        _ => fault(error),
    })?;
    file.write_all(imported.yaml.as_bytes()).map_err(fault)?;
    Ok(path)
}

impl Outcome {
    fn report(&self, directory: &Path, out: &mut impl Write) -> io::Result<ExitCode> {
        let all = self.written.len() + self.failed.len();
        writeln!(out, "imported {} of {all} MCP servers", self.written.len())?;
        for (server, path) in &self.written {
            writeln!(out, "  {}: {}", path.display(), server.summary)?;
        }
        if !self.failed.is_empty() {
            writeln!(out, "\nnot imported:")?;
            for (name, fault) in &self.failed {
                writeln!(out, "  {name:?}: {fault}")?;
            }
        }
        let mut notes = self
            .written
            .iter()
            .flat_map(|(server, _)| server.notes.iter().map(|note| (&server.name, note)))
            .peekable();
        if notes.peek().is_some() {
            writeln!(out, "\nlook at:")?;
            for (name, note) in notes {
                writeln!(out, "  {name}: {note}")?;
            }
        }
        if !self.variables.is_empty() {
            writeln!(out, "\nset these variables before `portcullis serve`:")?;
            self.variables.report(out)?;
        }
        if !self.written.is_empty() {
            writeln!(out, "\nthen: portcullis check {}", directory.display())?;
        }
        let complete = self.failed.is_empty();
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[cfg(test)]
mod tests;
