//! The HTTP client.

/// A client with its own pool of TCP connections.
#[derive(Clone, Debug, Default)]
pub struct Client {}
