//! The crate's error and its one mapping to HTTP and JSON-RPC.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::authn::Refusal;
use crate::catalogue::ServerError;
use crate::layers::http::authenticate::Unauthenticated;
use crate::layers::http::body_limit::BodyError;
use crate::layers::http::host::HostDenied;
use crate::layers::http::limit::Overloaded;
use crate::layers::http::origin::OriginDenied;
use crate::layers::http::rate_limit::RateLimited;
use crate::layers::http::streams::TooManyStreams;
use crate::mcp::response::code;
use crate::mcp::{Invalid, RequestId, response};
use crate::{call, sessions};

/// Codes of our own lie outside of what JSON-RPC reserves (MCP 2026-07-28, "Error Codes").
mod own {
    pub(super) const BACKEND_UNAVAILABLE: i64 = -31001;
    pub(super) const BACKEND_LOST: i64 = -31002;
    pub(super) const BACKEND_BAD_ANSWER: i64 = -31003;
    pub(super) const BACKEND_TIMEOUT: i64 = -31004;
    pub(super) const BUSY: i64 = -31005;
    pub(super) const DENIED: i64 = -31006;
    pub(super) const CANCELLED: i64 = -31007;
    pub(super) const LIMITED: i64 = -31008;
    pub(super) const UNAUTHENTICATED: i64 = -31009;
}

/// Why a request has no ordinary answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is no JSON-RPC message.
    #[error(transparent)]
    Message(#[from] Invalid),
    /// The body nests too deeply.
    #[error("the message nests deeper than {limit} levels")]
    TooDeep {
        /// How deep it may nest.
        limit: usize,
    },
    /// A batch where none may be, or one that breaks the rules of batches.
    #[error("{0}")]
    Batch(&'static str),
    /// The request names no session and needs one.
    #[error("the Mcp-Session-Id header is missing; initialize first")]
    NoSession,
    /// A request on a connection whose client has not said who it is.
    #[error("there is no session yet; initialize first")]
    Uninitialized,
    /// A second `initialize` on a connection that has one session for all its life.
    #[error("this connection is initialized already; open another one for another session")]
    Initialized,
    /// The request names no stream and needs one.
    #[error("sessionId is missing; POST to the URL that the first event of /sse names")]
    NoConnection,
    /// The client sends, and does not read what it is answered.
    #[error("the stream of this session is not being read; read it before you send more")]
    Unread,
    /// The session is gone.
    #[error(transparent)]
    Session(#[from] sessions::Gone),
    /// A session could not be made.
    #[error(transparent)]
    Randomness(#[from] sessions::NoRandomness),
    /// The header names a revision that we do not speak here.
    #[error("MCP-Protocol-Version {0:?} is not supported; use one of {SUPPORTED}")]
    Version(String),
    /// The parameters of a request that we answer ourselves.
    #[error("{0}")]
    Params(String),
    /// The client cannot take what we would send.
    #[error("Accept must allow both application/json and text/event-stream")]
    NotAcceptable,
    /// The client's GET does not take a stream.
    #[error("Accept must allow text/event-stream")]
    StreamNotAcceptable,
    /// The body is not JSON.
    #[error("Content-Type must be application/json")]
    MediaType,
    /// No such path.
    #[error("not found")]
    NotFound,
    /// No authorization server gives tokens for us.
    #[error("there is no protected resource metadata: auth.mode is {0}")]
    NoMetadata(&'static str),
    /// The path has no such method.
    #[error("method not allowed; use {0}")]
    Method(&'static str),
    /// A backend's own endpoint cannot be used.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// We stop.
    #[error("the gateway is shutting down")]
    Draining,
    /// As many streams are open as may be.
    #[error(transparent)]
    Streams(#[from] TooManyStreams),
    /// As many sessions are in use as may be.
    #[error(transparent)]
    TooManySessions(#[from] sessions::TooManySessions),
    /// As many requests are under way as may be.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Nobody knows who asks.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// The caller asks too often.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// Not for this caller.
    #[error("{0}")]
    Forbidden(Arc<str>),
    /// A host that is not ours.
    #[error(transparent)]
    Host(#[from] HostDenied),
    /// A web page of somebody else.
    #[error(transparent)]
    Origin(#[from] OriginDenied),
    /// The body is too large, too slow, or broken.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The call stack has no reply.
    #[error(transparent)]
    Call(#[from] call::Error),
}

const SUPPORTED: &str = "2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25";
const RETRY_SOON: Duration = Duration::from_secs(1);

impl Error {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Message(_)
            | Self::TooDeep { .. }
            | Self::Batch(_)
            | Self::NoSession
            | Self::Uninitialized
            | Self::Initialized
            | Self::NoConnection
            | Self::Body(BodyError::Broken(_))
            | Self::Version(_) => StatusCode::BAD_REQUEST,
            // To a legacy client it means to initialise again, which is the way out of the last one.
            Self::Session(_)
            | Self::NotFound
            | Self::NoMetadata(_)
            | Self::Server(ServerError::Unknown(_))
            | Self::Call(call::Error::NotHome { .. }) => StatusCode::NOT_FOUND,
            // The last one makes a client get a token that does (MCP 2025-11-25, Authorization).
            Self::Host(_)
            | Self::Origin(_)
            | Self::Forbidden(_)
            | Self::Call(call::Error::Scope { .. }) => StatusCode::FORBIDDEN,
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TimedOut { .. }) => StatusCode::REQUEST_TIMEOUT,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable | Self::StreamNotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Server(ServerError::Unavailable(_))
            | Self::Draining
            | Self::Unread
            | Self::Streams(_)
            | Self::TooManySessions(_)
            | Self::Overloaded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::RateLimited(_) | Self::Unauthenticated(Unauthenticated::TooMany { .. }) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unauthenticated(Unauthenticated::Refused { refusal, .. }) => match refusal {
                Refusal::Missing(_) | Refusal::Invalid(_) => StatusCode::UNAUTHORIZED,
                Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
                Refusal::Unidentified(_) | Refusal::Scope { .. } => StatusCode::FORBIDDEN,
                Refusal::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Randomness(_) => StatusCode::INTERNAL_SERVER_ERROR,
            // 404 would mean that to a legacy client as well.
            Self::Call(_) | Self::Params(_) => StatusCode::OK,
        }
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        match self {
            Self::Message(Invalid::Json(_)) => code::PARSE_ERROR,
            Self::Message(Invalid::Message { .. })
            | Self::TooDeep { .. }
            | Self::Batch(_)
            | Self::NoSession
            | Self::Uninitialized
            | Self::Initialized
            | Self::NoConnection
            | Self::Session(_)
            | Self::Version(_)
            | Self::NotAcceptable
            | Self::StreamNotAcceptable
            | Self::MediaType
            | Self::NotFound
            | Self::NoMetadata(_)
            | Self::Method(_)
            | Self::Host(_)
            | Self::Origin(_)
            | Self::Body(_)
            | Self::Server(ServerError::Unknown(_)) => code::INVALID_REQUEST,
            Self::Forbidden(_) => own::DENIED,
            Self::Params(_) => code::INVALID_PARAMS,
            Self::Draining
            | Self::Unread
            | Self::Streams(_)
            | Self::TooManySessions(_)
            | Self::Overloaded(_) => own::BUSY,
            Self::RateLimited(_) | Self::Unauthenticated(Unauthenticated::TooMany { .. }) => {
                own::LIMITED
            }
            Self::Unauthenticated(Unauthenticated::Refused { .. }) => own::UNAUTHENTICATED,
            Self::Randomness(_) => code::INTERNAL_ERROR,
            Self::Server(ServerError::Unavailable(error)) | Self::Call(error) => call_code(error),
        }
    }

    /// The id to answer under, if the error knows it.
    pub fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Message(Invalid::Message { id, .. }) => id.as_ref(),
            _ => None,
        }
    }

    /// The JSON-RPC error response.
    pub fn to_json_rpc(&self, id: Option<&RequestId>) -> Bytes {
        let data = match self {
            Self::Server(ServerError::Unavailable(error)) | Self::Call(error) => call_data(error),
            Self::TooManySessions(_) => Some(retry_soon()),
            Self::RateLimited(limited) => limited
                .retry_after()
                .map(|after| json!({ "retryAfter": call::retry_seconds(after) })),
            Self::Unauthenticated(error) => {
                error.retry_after().map(|after| json!({ "retryAfter": call::retry_seconds(after) }))
            }
            _ => None,
        };
        response::error(id.or(self.id()), self.code(), &self.to_string(), data.as_ref())
    }

    /// Headers that belong to the answer.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Method(allow) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Server(ServerError::Unavailable(_))
            | Self::Draining
            | Self::Unread
            | Self::Streams(_)
            | Self::TooManySessions(_)
            | Self::Overloaded(_) => {
                headers.insert(header::RETRY_AFTER, RETRY_SOON.as_secs().into());
            }
            Self::RateLimited(limited) => {
                let after = limited.retry_after().map(call::retry_seconds);
                headers.extend(after.map(|after| (header::RETRY_AFTER, after.into())));
            }
            Self::Unauthenticated(error) => {
                if let Unauthenticated::Refused { challenge: Some(challenge), .. } = error {
                    headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
                }
                let after = error.retry_after().map(call::retry_seconds);
                headers.extend(after.map(|after| (header::RETRY_AFTER, after.into())));
            }
            _ => {}
        }
        headers
    }
}

/// Writes an error of the call stack as a JSON-RPC response: also the last event of a stream.
pub fn render_call(id: Option<&RequestId>, error: &call::Error) -> Bytes {
    response::error(id, call_code(error), &error.to_string(), call_data(error).as_ref())
}

fn call_code(error: &call::Error) -> i64 {
    use call::Error as E;
    match error {
        E::UnknownTool(_) | E::UnknownPrompt(_) | E::InvalidParams(_) => code::INVALID_PARAMS,
        E::UnknownResource(_) => code::RESOURCE_NOT_FOUND,
        E::UnknownMethod(_) => code::METHOD_NOT_FOUND,
        E::NotHome { .. } => code::INVALID_REQUEST,
        E::Unavailable { .. } | E::Connect { .. } => own::BACKEND_UNAVAILABLE,
        E::ConnectionLost { .. } => own::BACKEND_LOST,
        E::BadAnswer { .. } => own::BACKEND_BAD_ANSWER,
        E::Timeout { .. } => own::BACKEND_TIMEOUT,
        E::Busy { .. } | E::Full { .. } | E::TooManySessions(_) | E::Stopping => own::BUSY,
        E::Limited { .. } => own::LIMITED,
        E::Denied(_) | E::Scope { .. } => own::DENIED,
        E::Expired => own::UNAUTHENTICATED,
        E::Cancelled => own::CANCELLED,
        E::NoResponse => code::INTERNAL_ERROR,
    }
}

fn call_data(error: &call::Error) -> Option<Value> {
    use call::Error as E;
    Some(match error {
        E::UnknownResource(uri) => json!({ "uri": uri }),
        E::Unavailable { backend, state, retry_after, .. } => {
            let mut data = json!({ "backend": &**backend, "state": state });
            if let Some(after) = retry_after {
                data["retryAfter"] = after.as_secs().into();
            }
            data
        }
        E::Busy { backend, .. } | E::Full { backend, .. } => {
            json!({ "backend": &**backend, "retryAfter": RETRY_SOON.as_secs() })
        }
        E::TooManySessions(_) => retry_soon(),
        E::Scope { required } => {
            json!({ "requiredScopes": required.iter().collect::<Vec<_>>() })
        }
        E::Limited { backend, tool, retry_after, .. } => json!({
            "backend": &**backend,
            "tool": tool,
            "retryAfter": call::retry_seconds(*retry_after),
        }),
        E::Connect { backend, .. }
        | E::NotHome { backend }
        | E::ConnectionLost { backend, .. }
        | E::BadAnswer { backend, .. }
        | E::Timeout { backend, .. } => json!({ "backend": &**backend }),
        E::UnknownTool(_)
        | E::UnknownPrompt(_)
        | E::InvalidParams(_)
        | E::UnknownMethod(_)
        | E::Denied(_)
        | E::Expired
        | E::Stopping
        | E::NoResponse
        | E::Cancelled => return None,
    })
}

fn retry_soon() -> Value {
    json!({ "retryAfter": RETRY_SOON.as_secs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_says_what_and_when_to_come_back() {
        let backend = "web".into();
        let cases = [
            (Error::from(sessions::TooManySessions(5)), 503, "for 5 sessions"),
            (call::Error::TooManySessions(5).into(), 200, "for 5 sessions"),
            (call::Error::Full { backend, limit: 7 }.into(), 200, "7 connections, all in use"),
        ];
        for (error, status, text) in cases {
            assert_eq!(error.status(), status, "{error}");
            let answer: Value = serde_json::from_slice(&error.to_json_rpc(None)).unwrap();
            assert!(answer["error"]["message"].as_str().unwrap().contains(text), "{answer}");
            assert_eq!(answer["error"]["code"], own::BUSY, "{answer}");
            assert_eq!(answer["error"]["data"]["retryAfter"], 1, "{answer}");
            assert_eq!(error.headers().contains_key(header::RETRY_AFTER), status == 503, "{error}");
        }
    }
}
