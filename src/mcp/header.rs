//! HTTP header names of the Streamable HTTP transport.

use http::HeaderName;

/// `Mcp-Session-Id`: names a session, on every request after `initialize`.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `MCP-Protocol-Version`: the negotiated revision, on every request after `initialize`.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Last-Event-ID`: where a stream is to be resumed (HTML Living Standard, server-sent events).
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// `X-Accel-Buffering: no` tells nginx and its relatives not to hold a stream back.
pub const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The media type of a single message.
pub const JSON: &str = "application/json";
/// The media type of a stream of messages.
pub const EVENT_STREAM: &str = "text/event-stream";
/// What a client of Streamable HTTP must accept on a POST.
pub const ACCEPT_BOTH: &str = "application/json, text/event-stream";
