//! Through whose eyes the catalogue is seen.

use crate::backends::{Handle, Key};
use crate::call::{self, SessionId};
use crate::mcp::Capabilities;

/// Through whose eyes the catalogue is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The client's session; some backends have a connection for each.
    pub session: Option<SessionId>,
    /// What the client can do; some backends offer more to those who can do more.
    pub capabilities: Capabilities,
    /// What policy lets the client see.
    pub visibility: Visibility,
}

/// What policy lets a client see of the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Visibility {
    /// Everything.
    #[default]
    All,
}

impl View {
    /// The view of a client that may see everything.
    pub fn of(client: &call::Client) -> Self {
        let call::Client { capabilities, session, .. } = *client;
        Self { session, capabilities, visibility: Visibility::All }
    }

    /// The connection whose offer this client sees, if it is not the supervisor's.
    pub(super) fn overlay_key(&self, handle: &Handle) -> Option<Key> {
        let key = Key::of_client(handle.config(), self.session, self.capabilities)?;
        // The same declaration gets the same lists, so the supervisor's serve.
        let is_same = key == handle.supervisor_key()
            || key.capabilities == handle.supervisor_key().capabilities
                && key.owner == crate::backends::Owner::Shared;
        (!is_same).then_some(key)
    }
}
