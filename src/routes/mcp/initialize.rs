//! `initialize`: a session begins.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Mcp, Stack, json, principal};
use crate::call::{Endpoint, Principal};
use crate::error::Error;
use crate::layers::call::policy::allowed;
use crate::mcp::splice::{quoted, splice};
use crate::mcp::{Capabilities, Message, ProtocolVersion, Span, header, response};
use crate::server::Body;
use crate::sessions::Session;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(rename = "protocolVersion")]
    protocol_version: Box<str>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
}

impl<S: Stack> Mcp<S> {
    /// Opens a session that the client names in every request.
    pub(super) async fn initialize(
        &self,
        request: &Request<Bytes>,
        endpoint: &Endpoint,
        message: &Message,
    ) -> Result<Response<Body>, Error> {
        let (session, hello) = self.hello(&principal(request), endpoint, message).await?;
        let mut response = json(hello);
        let token = self.shared.sessions.seal(&session)?;
        let token = HeaderValue::try_from(token).expect("base64url is visible ASCII");
        response.headers_mut().insert(header::SESSION_ID, token);
        Ok(response)
    }

    /// A new session, and the response that tells its client who we are.
    pub(in crate::routes) async fn hello(
        &self,
        principal: &Principal,
        endpoint: &Endpoint,
        message: &Message,
    ) -> Result<(Session, Bytes), Error> {
        let params: Params<'_> =
            serde_json::from_slice(message.params().unwrap_or(b"{}")).map_err(invalid)?;
        let capabilities = params.capabilities.map_or("{}", RawValue::get).as_bytes();
        let capabilities = Capabilities::parse(capabilities).map_err(invalid)?;
        let version = negotiate(&params.protocol_version);
        let result = match endpoint {
            Endpoint::Aggregate => aggregate(version),
            Endpoint::Server(name) => {
                self.may_enter(principal, endpoint)?;
                self.server(name, version).await?
            }
        };
        let session = self.shared.sessions.open(principal, version, capabilities)?;
        metrics::counter!("portcullis_sessions_opened_total", "version" => version.as_str())
            .increment(1);
        let id = message.id().expect("a request has an id");
        Ok((session, response::result(&id, &result)))
    }

    /// Whom a backend's endpoint has nothing for need not begin a session there.
    fn may_enter(&self, principal: &Principal, endpoint: &Endpoint) -> Result<(), Error> {
        let Some(backend) = self.shared.catalogue.backend(endpoint) else { return Ok(()) };
        Ok(allowed(self.shared.gate.decide_unread(principal, &backend, None))?)
    }

    /// What one backend says of itself, under the revision agreed on with this client.
    async fn server(&self, name: &Arc<str>, version: ProtocolVersion) -> Result<Bytes, Error> {
        let offer = self.shared.catalogue.server(name).await?;
        Ok(with_version(&offer.initialized, version))
    }
}

/// The requested revision if it has sessions, else our newest that has (MCP 2025-11-25, Lifecycle,
/// "Version Negotiation").
fn negotiate(requested: &str) -> ProtocolVersion {
    ProtocolVersion::parse(requested)
        .filter(|version| !version.is_modern())
        .unwrap_or(ProtocolVersion::LATEST_LEGACY)
}

/// What all backends together are: every capability, since any of them may come to have it.
fn aggregate(version: ProtocolVersion) -> Bytes {
    let result = serde_json::json!({
        "protocolVersion": version.as_str(),
        "capabilities": {
            "tools": { "listChanged": true },
            "prompts": { "listChanged": true },
            "resources": { "subscribe": true, "listChanged": true },
            "logging": {},
            "completions": {},
        },
        "serverInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
    });
    result.to_string().into()
}

/// The backend's own result with our revision in it.
fn with_version(initialized: &Bytes, version: ProtocolVersion) -> Bytes {
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        protocol_version: &'a RawValue,
    }
    match serde_json::from_slice::<Result<'_>>(initialized) {
        Ok(result) => {
            let span = Span::of(initialized, result.protocol_version.get().as_bytes());
            splice(initialized, &[(span, &quoted(version.as_str()))])
        }
        Err(_) => initialized.clone(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn invalid(error: serde_json::Error) -> Error {
    Error::Params(format!("invalid params: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_revision_is_answered_with_our_newest_that_has_sessions() {
        for (requested, agreed) in [
            ("2024-11-05", ProtocolVersion::V2024_11_05),
            ("2025-03-26", ProtocolVersion::V2025_03_26),
            ("2025-11-25", ProtocolVersion::V2025_11_25),
            ("2026-07-28", ProtocolVersion::V2025_11_25),
            ("2099-01-01", ProtocolVersion::V2025_11_25),
            ("", ProtocolVersion::V2025_11_25),
        ] {
            assert_eq!(negotiate(requested), agreed, "{requested}");
        }
    }

    #[test]
    fn a_backend_introduces_itself_in_its_own_words() {
        let theirs = Bytes::from(r#"{ "serverInfo":{"x":1} , "protocolVersion" : "2025-11-25"}"#);
        assert_eq!(
            with_version(&theirs, ProtocolVersion::V2025_03_26),
            r#"{ "serverInfo":{"x":1} , "protocolVersion" : "2025-03-26"}"#
        );
    }
}
