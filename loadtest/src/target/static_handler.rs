//! The least that an answer can cost: a handler that serves it from memory.

use std::fs;

use anyhow::Context;
use tempfile::TempDir;

use super::Programs;
use super::process::{self, Process};

/// It ends when this is dropped.
pub struct StaticHandler {
    process: Process,
    /// Its MCP endpoint.
    pub url: String,
    _files: TempDir,
}

impl StaticHandler {
    /// Serves `body` to whoever asks anything.
    ///
    /// # Errors
    /// When the program is missing, or does not say where it listens; the message has what it wrote.
    pub async fn start(programs: &Programs, body: &[u8]) -> anyhow::Result<Self> {
        let files = TempDir::with_prefix("loadtest-list-").context("no temporary directory")?;
        let path = files.path().join("list.json");
        fs::write(&path, body)?;
        let mut command = process::command(&programs.own.join("static-handler"));
        command.arg("--body").arg(&path);
        let mut process = Process::start("static-handler", command)?;
        let url = format!("http://{}/mcp", process.address().await?);
        Ok(Self { process, url, _files: files })
    }

    /// Its process.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }
}
