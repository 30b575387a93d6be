//! The least that a list can cost: a handler that serves the bytes of the gateway's own list from memory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use http::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Connection, LIST_ID, Session};
use crate::load::Endpoint;
use crate::target::Programs;

/// It ends when this is dropped.
pub(super) struct StaticHandler {
    child: Child,
    pub(super) endpoint: Endpoint,
    _files: TempDir,
}

impl StaticHandler {
    /// Asks `gateway` for its list once and serves that from then on.
    pub(super) async fn start(programs: &Programs, gateway: &Endpoint) -> anyhow::Result<Self> {
        let files = TempDir::with_prefix("loadtest-list-").context("no temporary directory")?;
        let body = files.path().join("list.json");
        fs::write(&body, list(gateway).await?)?;
        let mut command = Command::new(programs.own.join("static-handler"));
        command.arg("--body").arg(&body).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start static-handler")?;
        let stdout = child.stdout.take().context("static-handler has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        let address = address.context("static-handler does not say where it listens")?;
        let url = format!("http://{address}/mcp").parse()?;
        let endpoint = Endpoint { url, bearer: None, tools: Vec::new() };
        Ok(Self { child, endpoint, _files: files })
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        vec![self.child.id()]
    }
}

impl Drop for StaticHandler {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to `tools/list`, as the generator asks for it.
async fn list(gateway: &Endpoint) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::new(gateway).await?;
    let session = Session::open(&mut connection).await?;
    let request = json!({ "jsonrpc": "2.0", "id": LIST_ID, "method": "tools/list" });
    let body = request.to_string().into();
    let answer = connection.exchange(Method::POST, Some(&session), body).await?;
    answer.expect(StatusCode::OK)?;
    let list = answer.body.to_vec();
    session.close(&mut connection).await;
    Ok(list)
}
