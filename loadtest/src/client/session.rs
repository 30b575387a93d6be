//! A session of MCP 2025-11-25.

use anyhow::{Context, ensure};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::answer::message;
use super::connection::Connection;

const PROTOCOL_VERSION: HeaderValue = HeaderValue::from_static("2025-11-25");
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A session that has been initialised; any connection may use it.
pub(crate) struct Session {
    /// Servers may do without.
    id: Option<HeaderValue>,
}

impl Session {
    pub(crate) async fn open(connection: &mut Connection) -> anyhow::Result<Self> {
        Self::initialize(connection).await.context("cannot initialise a session")
    }

    async fn initialize(connection: &mut Connection) -> anyhow::Result<Self> {
        let params = json!({
            "protocolVersion": PROTOCOL_VERSION.to_str()?,
            "capabilities": {},
            "clientInfo": { "name": "portcullis-loadtest", "version": env!("CARGO_PKG_VERSION") },
        });
        let request =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = connection.exchange(Method::POST, None, request.to_string().into()).await?;
        response.expect(StatusCode::OK)?;
        let answer: Value = serde_json::from_slice(message(&response)?.text)?;
        ensure!(answer.get("result").is_some(), "the answer is {answer}");
        let session = Self { id: response.headers.get(SESSION_ID).cloned() };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let body = initialized.to_string().into();
        connection
            .exchange(Method::POST, Some(&session), body)
            .await?
            .expect(StatusCode::ACCEPTED)?;
        Ok(session)
    }

    /// Ends the session; that it is over anyway makes a failure harmless.
    pub(crate) async fn close(self, connection: &mut Connection) {
        if self.id.is_some() {
            connection.exchange(Method::DELETE, Some(&self), String::new().into()).await.ok();
        }
    }

    /// Makes a request one of this session.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(VERSION, PROTOCOL_VERSION);
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
    }
}
