//! Endpoints: one file each, found by a `match` over the path.

mod duplex;
mod event_stream;
mod expiry;
pub mod health;
pub mod mcp;
pub mod metrics;
mod open;
mod ready;
pub mod sse;
pub mod stdio;
pub mod welcome;
mod well_known;

pub use open::Open;
pub use well_known::WellKnown;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use tower::Service;

use crate::authn::WELL_KNOWN;
use crate::call::Endpoint;
use crate::error::Error;
use crate::server::Body;

/// What a route comes to.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// `/mcp`
    Mcp,
    /// `/servers/{name}/mcp`
    Server(&'a str),
    /// `/sse`
    Sse,
    /// `/message`
    Message,
    /// `/health`
    Health,
    /// `/ready`
    Ready,
    /// `/`
    Welcome,
    /// `/.well-known/oauth-protected-resource`, with what stands behind it.
    WellKnown(&'a str),
    /// Nowhere.
    Unknown,
}

impl<'a> Path<'a> {
    /// Where `path` leads.
    pub fn parse(path: &'a str) -> Self {
        match path {
            "/mcp" => Self::Mcp,
            "/sse" => Self::Sse,
            "/message" => Self::Message,
            "/health" => Self::Health,
            "/ready" => Self::Ready,
            "/" => Self::Welcome,
            _ => Self::parse_long(path),
        }
    }

    fn parse_long(path: &'a str) -> Self {
        if let Some(suffix) = path.strip_prefix(WELL_KNOWN) {
            let is_path = suffix.is_empty() || suffix.starts_with('/');
            return if is_path { Self::WellKnown(suffix) } else { Self::Unknown };
        }
        match path.strip_prefix("/servers/").and_then(|path| path.strip_suffix("/mcp")) {
            Some(name) if !name.is_empty() && !name.contains('/') => Self::Server(name),
            _ => Self::Unknown,
        }
    }

    /// Whether pages of any site may read what is there.
    pub fn is_public(path: &str) -> bool {
        matches!(Path::parse(path), Path::WellKnown(_))
    }

    /// The Streamable HTTP endpoint, if it is one.
    pub fn endpoint(self) -> Option<Endpoint> {
        match self {
            Self::Mcp => Some(Endpoint::Aggregate),
            Self::Server(name) => Some(Endpoint::Server(Arc::from(name))),
            Self::Sse
            | Self::Message
            | Self::Health
            | Self::Ready
            | Self::Welcome
            | Self::WellKnown(_)
            | Self::Unknown => None,
        }
    }

    /// A name for metrics: one of few, whatever a client asks for.
    pub fn group(path: &str) -> &'static str {
        match Path::parse(path) {
            Path::Mcp => "mcp",
            Path::Server(_) => "server",
            Path::Sse => "sse",
            Path::Message => "message",
            Path::Health => "health",
            Path::Ready => "ready",
            Path::Welcome => "welcome",
            Path::WellKnown(_) => "well-known",
            Path::Unknown => "unknown",
        }
    }
}

/// Sends MCP requests through the layers that guard them, and the rest past them.
#[derive(Clone, Debug)]
pub struct Groups<O, M> {
    /// Answers what is open to everybody.
    pub open: O,
    /// Answers MCP requests.
    pub mcp: M,
}

impl<O, M, B> Service<Request<B>> for Groups<O, M>
where
    O: Service<Request<B>>,
    M: Service<Request<B>, Response = O::Response, Error = O::Error>,
{
    type Response = O::Response;
    type Error = O::Error;
    type Future = Either<O::Future, M::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match (self.open.poll_ready(cx)?, self.mcp.poll_ready(cx)?) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match Path::parse(request.uri().path()) {
            Path::Mcp | Path::Server(_) | Path::Sse | Path::Message => {
                Either::Right(self.mcp.call(request))
            }
            // What it tells is not for everybody.
            Path::Ready if health::is_verbose(request.uri().query()) => {
                Either::Right(self.mcp.call(request))
            }
            Path::Health | Path::Ready | Path::Welcome | Path::WellKnown(_) | Path::Unknown => {
                Either::Left(self.open.call(request))
            }
        }
    }
}

/// An error as an HTTP response with a JSON-RPC body.
pub fn respond(error: &Error) -> Response<Body> {
    mcp::failure(error, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_lead_anywhere() {
        for (path, leads) in [
            ("/mcp", Path::Mcp),
            ("/servers/time/mcp", Path::Server("time")),
            ("/sse", Path::Sse),
            ("/message", Path::Message),
            ("/sse/", Path::Unknown),
            ("/health", Path::Health),
            ("/ready", Path::Ready),
            ("/", Path::Welcome),
            ("/.well-known/oauth-protected-resource", Path::WellKnown("")),
            ("/.well-known/oauth-protected-resource/mcp", Path::WellKnown("/mcp")),
            ("/.well-known/oauth-protected-resources", Path::Unknown),
            ("/.well-known/oauth-authorization-server", Path::Unknown),
            ("/mcp/", Path::Unknown),
            ("/servers//mcp", Path::Unknown),
            ("/servers/a/b/mcp", Path::Unknown),
            ("/servers/../mcp", Path::Server("..")),
            ("/MCP", Path::Unknown),
            ("", Path::Unknown),
        ] {
            assert_eq!(Path::parse(path), leads, "{path}");
        }
    }
}
