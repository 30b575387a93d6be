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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::scripted::{config, http_config};

    #[test]
    fn one_channel_for_everybody_declares_nothing_and_is_the_supervisors_too() {
        let session = SessionId::from_bytes([1; 16]);
        let stdio = config("x", Isolation::Shared).transport;
        let http = http_config("x", Isolation::Shared).transport;
        let Transport::StreamableHttp(remote) = http.clone() else { panic!("a remote server") };
        let sse = Transport::Sse(remote);
        let gateway = Key { owner: Owner::Gateway, capabilities: Capabilities::ALL };
        let shared = |capabilities| Key { owner: Owner::Shared, capabilities };
        let own = Key { owner: Owner::Session(session), capabilities: Capabilities::ROOTS };
        for (transport, isolation, supervisors, clients) in [
            (&stdio, Isolation::Shared, shared(Capabilities::NONE), shared(Capabilities::NONE)),
            (&sse, Isolation::Shared, shared(Capabilities::NONE), shared(Capabilities::NONE)),
            (&http, Isolation::Shared, gateway, shared(Capabilities::ROOTS)),
            (&stdio, Isolation::Session, gateway, own),
            (&sse, Isolation::Session, gateway, own),
            (&http, Isolation::Session, gateway, own),
        ] {
            let config = Config { transport: transport.clone(), ..config("x", isolation) };
            let name = format!("{transport:?} {isolation:?}");
            assert_eq!(Key::of_supervisor(&config), supervisors, "{name}");
            let found = Key::of_client(&config, Some(session), Capabilities::ROOTS);
            assert_eq!(found, Some(clients), "{name}");
            let nameless = Key::of_client(&config, None, Capabilities::ROOTS);
            assert_eq!(nameless.is_some(), isolation == Isolation::Shared, "{name}");
        }
    }
}
