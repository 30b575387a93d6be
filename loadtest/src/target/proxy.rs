//! The load test's own proxies.

use std::net::SocketAddr;

use super::process::{self, Process};
use super::{Front, MCP, Programs};

/// Starts `program` in front of `backend`.
pub(super) async fn start(
    programs: &Programs,
    program: &str,
    backend: SocketAddr,
) -> anyhow::Result<Front> {
    let mut command = process::command(&programs.own.join(program));
    command.arg("--backend").arg(backend.to_string());
    let mut process = Process::start(program, command)?;
    let address = process.address().await?;
    Ok(Front { process, address, path: MCP, tools: None, bearer: None, files: None })
}
