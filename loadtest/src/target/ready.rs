//! Whether a target answers: one session, one checked call.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Running;
use crate::client::{Connection, Session, message};
use crate::load::Endpoint;

/// How long one attempt may take; the next may succeed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until the last of its tools answers, which is the last to be there.
pub(super) async fn wait(running: &mut Running) -> anyhow::Result<()> {
    let endpoint = running.endpoint()?;
    running
        .measured_mut()
        .until("answer to a call", async |_| {
            timeout(PATIENCE, sees_and_calls(&endpoint)).await.context("no answer in time")?
        })
        .await
}

async fn sees_and_calls(endpoint: &Endpoint) -> anyhow::Result<()> {
    let mut connection = Connection::new(endpoint).await?;
    let session = Session::open(&mut connection).await?;
    let listed = listed(&mut connection, &session).await?;
    let missing = endpoint.tools.iter().find(|tool| !listed.contains(tool.as_str()));
    ensure!(missing.is_none(), "{missing:?} is not among {} tools", listed.len());
    let last = endpoint.tools.last().context("a scene without tools")?;
    let params = json!({ "name": last, "arguments": { "message": "ready?" } });
    let result = ask(&mut connection, &session, "tools/call", &params).await?;
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    ensure!(text.starts_with("ready?"), "{last} answers {result}");
    Ok(())
}

/// The names of all tools, from every page.
async fn listed(connection: &mut Connection, session: &Session) -> anyhow::Result<HashSet<String>> {
    let mut names = HashSet::new();
    let mut params = json!({});
    loop {
        let page = ask(connection, session, "tools/list", &params).await?;
        let tools = page["tools"].as_array().context("no list of tools")?;
        names.extend(tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())));
        match page.get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return Ok(names),
        }
    }
}

/// The result of a request.
async fn ask(
    connection: &mut Connection,
    session: &Session,
    method: &str,
    params: &Value,
) -> anyhow::Result<Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let response = connection.post(session, request.to_string().into()).await?;
    response.expect(StatusCode::OK)?;
    let text = message(&response)?.text;
    let mut message: Value = serde_json::from_slice(text)
        .with_context(|| format!("{method}: {}", String::from_utf8_lossy(text)))?;
    ensure!(message["id"] == 1 && message["result"].is_object(), "{method}: {message}");
    Ok(message["result"].take())
}
