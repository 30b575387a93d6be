//! The `portcullis` command: arguments, and one file per command.

mod check;
mod demo_server;
mod health;
mod import;
mod serve;
mod token;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use check::CheckArgs;
pub use demo_server::DemoServerArgs;
pub use health::HealthArgs;
pub use import::ImportArgs;
pub use serve::ServeArgs;
pub use token::TokenArgs;

use crate::backends::stdio::guardian;
use crate::config::Environment;

/// One MCP endpoint in front of many MCP servers.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    after_help = "To try it: portcullis serve --config config/quickstart"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Serve(ServeArgs),
    /// Check a configuration and report all of its problems at once
    Check(CheckArgs),
    /// Turn a client's mcp.json into MCP servers of a configuration directory
    Import(ImportArgs),
    /// Ask a running gateway whether it is alive
    Health(HealthArgs),
    /// Make tokens for callers, and find out what is wrong with one
    Token(TokenArgs),
    /// Run a small MCP server to try the gateway with
    DemoServer(DemoServerArgs),
    /// End the children of a gateway that was killed; the gateway starts this itself
    #[command(hide = true)]
    Guardian,
}

/// Where the configuration is.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Directory or file of the configuration [default: ~/.config/portcullis]
    #[arg(
        long,
        visible_alias = "config-path",
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true,
        value_name = "PATH"
    )]
    pub config: Option<PathBuf>,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command cannot do its work at all.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let environment = Environment::of_process();
        match self.command {
            Command::Serve(args) => args.run(&environment),
            Command::Health(args) => args.run(&environment),
            Command::Token(args) => args.run(&environment),
            Command::DemoServer(args) => args.run(),
            Command::Guardian => {
                guardian::watch(io::stdin().lock())?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Check(args) => Ok(args.run(&environment, &mut io::stdout().lock())?),
            Command::Import(args) => Ok(args.run(&environment, &mut io::stdout().lock())?),
        }
    }
}
