//! What connections to a backend are told apart by.

use super::{Config, Isolation, Transport};
use crate::call::SessionId;
use crate::mcp::Capabilities;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The gateway itself: snapshot and health, never a client.
    Gateway,
    /// All clients with the same capabilities.
    Shared,
    /// One client session.
    Session(SessionId),
}

/// A connection's place in the pool of its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose it is.
    pub owner: Owner,
    /// What it declares that its client can do.
    pub capabilities: Capabilities,
}

impl Key {
    /// The connection that the supervisor keeps.
    ///
    /// A shared child process is one process, and a shared event stream is one stream, so the
    /// supervisor's connection is the one that clients use. Elsewhere the supervisor has one of its own that declares everything, so that
    /// the snapshot shows all there is.
    pub fn of_supervisor(config: &Config) -> Self {
        match (&config.transport, config.isolation) {
            (Transport::Stdio(_) | Transport::Sse(_), Isolation::Shared) => {
                Self { owner: Owner::Shared, capabilities: Capabilities::NONE }
            }
            _ => Self { owner: Owner::Gateway, capabilities: Capabilities::ALL },
        }
    }

    /// The connection that serves a client; `None` for a client without a session where each
    /// session has its own.
    ///
    /// What comes back on a shared pipe or SSE stream cannot be tied to one call, so such a
    /// connection declares nothing a server could ask for.
    pub fn of_client(
        config: &Config,
        session: Option<SessionId>,
        capabilities: Capabilities,
    ) -> Option<Self> {
        let (owner, capabilities) = match (config.isolation, &config.transport) {
            (Isolation::Session, _) => (Owner::Session(session?), capabilities),
            (Isolation::Shared, Transport::StreamableHttp(_)) => (Owner::Shared, capabilities),
            (Isolation::Shared, _) => (Owner::Shared, Capabilities::NONE),
        };
        Some(Self { owner, capabilities })
    }
}
