//! Through whose eyes the catalogue is seen.

use tokio::sync::watch;

use super::Entry;
use crate::backends::{Handle, Key};
use crate::call::{Client, Principal, SessionId};
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

/// What policy lets a client see of the catalogue: whoever has an equal one sees the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Visibility {
    /// Which rules apply to the client.
    pub class: u64,
    /// Which edition of the rules; they can change while the gateway runs.
    pub edition: u64,
}

/// Decides what is shown. The catalogue asks about every entry of every view.
pub trait Judge: Send + Sync + 'static {
    /// What rules apply to `principal` now.
    fn visibility(&self, principal: &Principal) -> Visibility;

    /// Whether a list shows `entry` to whom these rules apply.
    fn shows(&self, visibility: Visibility, entry: &Entry) -> bool;

    /// Whether they may hear of `backend` at all: that it is there, and how it is.
    fn knows(&self, visibility: Visibility, backend: &Handle) -> bool;

    /// Hears when the rules change: the number of their edition.
    fn editions(&self) -> watch::Receiver<u64>;
}

impl View {
    /// A client's to whom these rules apply.
    pub fn of(client: &Client, visibility: Visibility) -> Self {
        let Client { capabilities, session, .. } = *client;
        Self { session, capabilities, visibility }
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
