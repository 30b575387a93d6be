//! Whether a target answers: one session, one checked call.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Running;

const VERSION: &str = "2025-11-25";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// How long one attempt may take; the next may succeed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until the last of its tools answers, which is the last to be there.
pub(super) async fn wait(running: &mut Running) -> anyhow::Result<()> {
    let tools = running.tools.clone();
    let probe = Probe::new(running.url.clone(), running.bearer.as_deref())?;
    running
        .measured_mut()
        .until("answer to a call", async |_| {
            timeout(PATIENCE, probe.sees_and_calls(&tools)).await.context("no answer in time")?
        })
        .await
}

/// A client that is not in a hurry.
pub(super) struct Probe {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    bearer: Option<HeaderValue>,
}

impl Probe {
    pub(super) fn new(url: String, bearer: Option<&str>) -> anyhow::Result<Self> {
        let bearer = bearer.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { client, url, bearer: bearer.transpose()? })
    }

    async fn sees_and_calls(&self, tools: &[String]) -> anyhow::Result<()> {
        let params = json!({
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": { "name": "portcullis-loadtest", "version": env!("CARGO_PKG_VERSION") },
        });
        let (session, _) = self.ask(None, "initialize", &params).await?;
        let session = session.as_ref();
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.post(session, &initialized).await?;
        let listed = self.listed(session).await?;
        let missing = tools.iter().find(|tool| !listed.contains(tool.as_str()));
        ensure!(missing.is_none(), "{missing:?} is not among {} tools", listed.len());
        let last = tools.last().context("a scene without tools")?;
        let params = json!({ "name": last, "arguments": { "message": "ready?" } });
        let (_, result) = self.ask(session, "tools/call", &params).await?;
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        ensure!(text.starts_with("ready?"), "{last} answers {result}");
        Ok(())
    }

    /// The names of all tools, from every page.
    async fn listed(&self, session: Option<&HeaderValue>) -> anyhow::Result<HashSet<String>> {
        let mut names = HashSet::new();
        let mut params = json!({});
        loop {
            let (_, page) = self.ask(session, "tools/list", &params).await?;
            let tools = page["tools"].as_array().context("no list of tools")?;
            names.extend(tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())));
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(names),
            }
        }
    }

    /// The session and the result of a request.
    async fn ask(
        &self,
        session: Option<&HeaderValue>,
        method: &str,
        params: &Value,
    ) -> anyhow::Result<(Option<HeaderValue>, Value)> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = self.post(session, &request).await?;
        let mut message: Value = serde_json::from_slice(last_message(response.body()))
            .with_context(|| format!("{method}: {}", String::from_utf8_lossy(response.body())))?;
        ensure!(message["id"] == 1 && message["result"].is_object(), "{method}: {message}");
        Ok((response.headers().get(SESSION).cloned(), message["result"].take()))
    }

    /// Sends JSON, and gives the answer if it is a success.
    pub(super) async fn post(
        &self,
        session: Option<&HeaderValue>,
        message: &Value,
    ) -> anyhow::Result<Response<Bytes>> {
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in [(AUTHORIZATION, self.bearer.as_ref()), (SESSION, session)] {
            request =
                value.into_iter().fold(request, |request, value| request.header(&name, value));
        }
        let request = request.body(Full::from(message.to_string()))?;
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        ensure!(head.status.is_success(), "HTTP status {}: {text}", head.status);
        Ok(Response::from_parts(head, body))
    }
}

/// A body, or the data of its last event.
fn last_message(body: &[u8]) -> &[u8] {
    let lines = body.split(|byte| *byte == b'\n');
    let mut data = lines.filter_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii);
    data.rfind(|data| !data.is_empty()).unwrap_or(body)
}
