//! `initialize`, when a connection is opened and when the backend has forgotten its session.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{Method, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::session::{Session, post_headers};
use crate::backends::remote::{
    Broken, Cursor, Endpoint, Media, Messages, Refusal, excerpt, media, parse_into, pass_over,
    words,
};
use crate::backends::{MAX_MESSAGE_BYTES, OpenError};
use crate::mcp::message::Kind;
use crate::mcp::{Capabilities, Message, ProtocolVersion, header, method};
use crate::outbound::Body;

/// The id of every `initialize`; calls count from the next one.
pub(super) const INITIALIZE_ID: u64 = 0;
/// How many messages may come before the response.
const EARLY: usize = 64;

/// What came of an `initialize`.
pub(super) struct Handshake {
    pub(super) session: Session,
    /// The `InitializeResult`.
    pub(super) result: Bytes,
    /// What the server said before.
    pub(super) early: VecDeque<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult {
    protocol_version: String,
}

impl Endpoint {
    /// Initialises a session, within the time that the configuration gives.
    pub(super) async fn handshake(
        &self,
        capabilities: Capabilities,
        generation: u64,
        ended: CancellationToken,
    ) -> Result<Handshake, OpenError> {
        let after = self.config.connect_timeout;
        let handshake = self.initialize(capabilities, generation, ended);
        match time::timeout(after, handshake).await {
            Ok(handshake) => handshake,
            Err(_) => Err(OpenError::Timeout { after }),
        }
    }

    async fn initialize(
        &self,
        capabilities: Capabilities,
        generation: u64,
        ended: CancellationToken,
    ) -> Result<Handshake, OpenError> {
        let head = self.head(Method::POST, post_headers(self.common.clone()));
        let body = initialize_request(capabilities);
        let response =
            self.send(&self.client, &head, body).await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(refused(&Refusal::read(response).await));
        }
        let id = response.headers().get(header::SESSION_ID).cloned();
        let (answer, early) = self.answer(response).await?;
        let Some(result) = answer.result() else {
            let words = words(&answer).unwrap_or_else(|| "an error without a message".to_owned());
            return Err(OpenError::Refused(words));
        };
        let version = version(&result)?;
        let session = Session::new(generation, self, version, id, ended);
        self.say_initialized(&session).await?;
        Ok(Handshake { session, result, early })
    }

    /// The response to `initialize`, and what came before it.
    async fn answer(
        &self,
        response: Response<Body>,
    ) -> Result<(Message, VecDeque<Message>), OpenError> {
        let media = media(response.headers());
        let (body, mut early) = (response.into_body(), VecDeque::new());
        if media == Media::EventStream {
            let mut messages = Messages::new(body, Cursor::default(), self.name());
            while let Some(message) = messages.next().await.map_err(broken)? {
                if is_answer(&message) {
                    return Ok((message, early));
                }
                if early.len() < EARLY {
                    early.push_back(message);
                }
            }
            return Err(OpenError::BadAnswer("its event stream ended without one".to_owned()));
        }
        let wrong = |error: &dyn std::fmt::Display| OpenError::BadAnswer(error.to_string());
        let body = body.collect(MAX_MESSAGE_BYTES).await.map_err(|error| wrong(&error.chain()))?;
        let first = parse_into(body.clone(), &mut early).map_err(|error| {
            let said = excerpt(&body);
            wrong(&format_args!("{error}: {said}"))
        })?;
        early.extend(first);
        let at = early.iter().position(is_answer);
        let answer = at.and_then(|at| early.remove(at));
        let answer = answer.ok_or_else(|| wrong(&"it is no response to the request"))?;
        Ok((answer, early))
    }

    async fn say_initialized(&self, session: &Session) -> Result<(), OpenError> {
        let name = method::notification::INITIALIZED;
        let body = Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{name}"}}"#));
        let response = self
            .send(&self.client, &session.post, body)
            .await
            .map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let (status, backend) = (response.status().as_u16(), &self.config.name);
            tracing::warn!(%backend, status, "the server refused {name}; going on");
        }
        pass_over(response).await;
        Ok(())
    }
}

fn initialize_request(capabilities: Capabilities) -> Bytes {
    let request = json!({
        "jsonrpc": "2.0",
        "id": INITIALIZE_ID,
        "method": method::Method::Initialize.as_str(),
        "params": {
            "protocolVersion": ProtocolVersion::LATEST_LEGACY.as_str(),
            "capabilities": capabilities.to_json(),
            "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
        },
    });
    request.to_string().into()
}

fn refused(refusal: &Refusal) -> OpenError {
    let status = refusal.status.as_u16();
    if refusal.is_json_rpc() && !matches!(status, 401 | 403) {
        return OpenError::Refused(format!("{} (HTTP {status})", refusal.text()));
    }
    tracing::debug!(status, said = refusal.text(), "initialize was answered with an HTTP error");
    OpenError::Status { status }
}

fn broken(broken: Broken) -> OpenError {
    OpenError::BadAnswer(match broken {
        Broken::Lost(how) => how,
        Broken::TooLarge => format!("a message of more than {MAX_MESSAGE_BYTES} bytes"),
    })
}

fn version(result: &[u8]) -> Result<ProtocolVersion, OpenError> {
    let result: InitializeResult = serde_json::from_slice(result)
        .map_err(|error| OpenError::BadAnswer(format!("its result is wrong: {error}")))?;
    ProtocolVersion::parse(&result.protocol_version)
        .filter(|version| !version.is_modern())
        .ok_or_else(|| {
            let date: String = result.protocol_version.chars().take(40).collect();
            OpenError::BadAnswer(format!("it speaks an unknown revision of MCP: {date:?}"))
        })
}

fn is_answer(message: &Message) -> bool {
    let id = message.id().map(|id| id.as_u64());
    message.kind() == Kind::Response && matches!(id, None | Some(Some(INITIALIZE_ID)))
}
