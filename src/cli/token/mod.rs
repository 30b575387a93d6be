//! `portcullis token`: what has to do with tokens of callers.

mod explain;
mod new;

use std::io;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::Environment;
use explain::ExplainArgs;
use new::NewArgs;

/// Arguments of `portcullis token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for auth.mode: tokens, and print it once
    New(NewArgs),
    /// Say what would become of a token on standard input, check by check
    Explain(ExplainArgs),
}

impl TokenArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command cannot do its work at all.
    pub fn run(self, environment: &Environment) -> anyhow::Result<ExitCode> {
        match self.command {
            TokenCommand::New(args) => {
                args.run(&mut io::stdout().lock())?;
                Ok(ExitCode::SUCCESS)
            }
            TokenCommand::Explain(args) => args.run(environment),
        }
    }
}
