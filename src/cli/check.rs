//! `portcullis check`: says everything that is wrong with a configuration.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::load::{Loaded, Refused, default_directory, load};
use crate::config::{Environment, Problem};
use crate::definitions::Server;

/// Arguments of `portcullis check`.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// Directory or file of the configuration [default: ~/.config/portcullis]
    #[arg(env = "PORTCULLIS_CONFIG", hide_env_values = true)]
    pub path: Option<PathBuf>,
}

impl CheckArgs {
    /// Prints all problems and warnings, or one line that says that there are none. Fails if there
    /// is a problem.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn run(&self, environment: &Environment, out: &mut impl Write) -> io::Result<ExitCode> {
        let (servers, mut problems, quarantined, warnings) =
            match load(self.path.as_deref(), environment) {
                Ok(Loaded { servers, quarantined, warnings, .. }) => {
                    (servers, Vec::new(), quarantined, warnings)
                }
                Err(Refused { problems, quarantined, warnings }) => {
                    (Vec::new(), problems, quarantined, warnings)
                }
            };
        problems.extend(quarantined.into_iter().flat_map(|object| object.problems));
        problems.sort();
        for problem in &problems {
            writeln!(out, "{problem}")?;
        }
        for warning in &warnings {
            writeln!(out, "warning: {warning}")?;
        }
        if problems.is_empty() {
            writeln!(out, "{}", self.fine(environment, &servers, &warnings))?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "{}", counted(problems.len(), "problem", &warnings))?;
        Ok(ExitCode::FAILURE)
    }

    fn fine(&self, environment: &Environment, servers: &[Server], warnings: &[Problem]) -> String {
        let path = self.path.clone().or_else(|| default_directory(environment));
        let path = path.unwrap_or_default();
        let names: Vec<&str> = servers.iter().map(|server| &*server.config.name).collect();
        let names =
            if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let count = counted(servers.len(), "MCP server", &[]);
        let warned = match warnings.len() {
            0 => String::new(),
            count => format!(", with {}", counted(count, "warning", &[])),
        };
        format!("{}: fine{warned}: {count}{names}", path.display())
    }
}

fn counted(count: usize, thing: &str, warnings: &[Problem]) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let more = match warnings.len() {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings, "warning", &[])),
    };
    format!("{count} {thing}{plural}{more}")
}
