//! `portcullis token`: what has to do with tokens of callers.

mod new;

use std::io;
use std::process::ExitCode;

use clap::{Args, Subcommand};

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
}

impl TokenArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command cannot do its work at all.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            TokenCommand::New(args) => args.run(&mut io::stdout().lock())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
