//! Real MCP servers over HTTP, each on a free port of loopback.

use std::process::Command;

use crate::peers::command;
use crate::{Peers, Process, Signal};

/// A running MCP server that was not written here (the conformance fixture excepted).
pub struct Backend {
    process: Process,
    url: String,
}

impl Backend {
    /// npm `server-everything` (TypeScript SDK v1): sessions, SSE answers, a tool list that depends on the client.
    pub async fn everything_http(peers: &Peers) -> Self {
        Self::start(peers, "", "servers/everything.mjs", &["http", "0"]).await
    }

    /// npm `server-everything` over HTTP+SSE of 2024-11-05; its URL is the GET endpoint.
    pub async fn everything_sse(peers: &Peers) -> Self {
        Self::start(peers, "", "servers/everything.mjs", &["sse", "0"]).await
    }

    /// The backend of the conformance suite.
    pub async fn fixture_http(peers: &Peers) -> Self {
        Self::start(peers, "", "fixture/fixture.mjs", &["http", "0"]).await
    }

    /// The backend of the conformance suite over HTTP+SSE of 2024-11-05.
    pub async fn fixture_sse(peers: &Peers) -> Self {
        Self::start(peers, "", "fixture/fixture.mjs", &["sse", "0"]).await
    }

    /// The same as a server that knows nothing newer than that revision.
    pub async fn fixture_of_2024(peers: &Peers) -> Self {
        let mut command = command(&peers.script("", "fixture/fixture.mjs"));
        command.args(["sse", "0"]).env("REVISION", "2024-11-05");
        Self::spawn("fixture.mjs", command).await
    }

    /// TypeScript SDK v2: MCP 2026-07-28 and, without sessions, 2025.
    pub async fn ts_v2_http(peers: &Peers) -> Self {
        Self::start(peers, "", "servers/ts_v2.mjs", &["http", "0"]).await
    }

    /// TypeScript SDK v2 that lets in nobody without a token of `issuer`: how others guard their servers.
    pub async fn ts_v2_guarded(peers: &Peers, issuer: &str) -> Self {
        let mut command = command(&peers.script("", "servers/ts_v2.mjs"));
        command.args(["http", "0"]).env("ISSUER", issuer);
        Self::spawn("ts_v2.mjs", command).await
    }

    /// Python SDK v1: 2025, with sessions.
    pub async fn py_v1_http(peers: &Peers) -> Self {
        Self::start(peers, "mcp-v1", "servers/py_v1.py", &["http", "0"]).await
    }

    /// Python SDK v2: MCP 2026-07-28 and, with sessions, 2025.
    pub async fn py_v2_http(peers: &Peers) -> Self {
        Self::start(peers, "mcp-v2", "servers/py_v2.py", &["http", "0"]).await
    }

    /// Python SDK v1 over HTTP+SSE of 2024-11-05.
    pub async fn py_v1_sse(peers: &Peers) -> Self {
        Self::start(peers, "mcp-v1", "servers/py_v1.py", &["sse", "0"]).await
    }

    /// Python SDK v2 over HTTP+SSE of 2024-11-05.
    pub async fn py_v2_sse(peers: &Peers) -> Self {
        Self::start(peers, "mcp-v2", "servers/py_v2.py", &["sse", "0"]).await
    }

    /// A server that does what servers should not; `habits` are the variables of `servers/misbehave.mjs`.
    pub async fn misbehave_http(peers: &Peers, habits: &[(&str, &str)]) -> Self {
        Self::misbehave(peers, "http", habits).await
    }

    /// The same over HTTP+SSE of 2024-11-05.
    pub async fn misbehave_sse(peers: &Peers, habits: &[(&str, &str)]) -> Self {
        Self::misbehave(peers, "sse", habits).await
    }

    /// The demo server of the binary itself.
    pub async fn demo_http(binary: &str) -> Self {
        let mut command = Command::new(binary);
        command.args(["demo-server", "--http", "127.0.0.1:0"]);
        Self::spawn("portcullis demo-server", command).await
    }

    async fn misbehave(peers: &Peers, mode: &str, habits: &[(&str, &str)]) -> Self {
        let mut command = command(&peers.script("", "servers/misbehave.mjs"));
        command.args([mode, "0"]).envs(habits.iter().copied());
        Self::spawn("misbehave.mjs", command).await
    }

    async fn start(peers: &Peers, venv: &str, script: &str, args: &[&str]) -> Self {
        let mut command = command(&peers.script(venv, script));
        command.args(args);
        Self::spawn(script, command).await
    }

    /// Starts any command that prints `listening URL` or `listening on URL` once it listens. The port is the one the process itself names, so
    /// what answers there is what was started.
    pub async fn spawn(name: &str, command: Command) -> Self {
        let process = Process::spawn(name, command);
        let url = process
            .line("line `listening URL`", |line| {
                let url = line.strip_prefix("listening ")?;
                Some(url.strip_prefix("on ").unwrap_or(url).to_owned())
            })
            .await;
        Self { process, url }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `kill -9`, as the out-of-memory killer does it.
    pub fn kill(&self) {
        self.process.signal(Signal::KILL);
    }
}
