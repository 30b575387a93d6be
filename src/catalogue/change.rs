//! What clients with an open stream are told.

use std::sync::Arc;

use super::{Catalogue, Member, OWN_NAME, View};
use crate::backends::{Key, Kinds, Owner};
use crate::call::{Endpoint, SessionId};
use crate::mcp::Capabilities;

/// Lists that are not what they were.
///
/// A receiver that lags has to take everything as changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The backend whose lists they are; [`OWN_NAME`](super::OWN_NAME) when they are everybody's.
    pub backend: Arc<str>,
    /// Who sees the difference.
    pub audience: Audience,
    /// Which lists.
    pub kinds: Kinds,
}

/// Who sees a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    Everybody,
    /// Clients with these capabilities, who have a connection of their own.
    Capable(Capabilities),
    /// One session, which has a connection of its own.
    Session(SessionId),
}

impl From<Key> for Audience {
    fn from(key: Key) -> Self {
        match key.owner {
            Owner::Gateway => Self::Everybody,
            Owner::Shared => Self::Capable(key.capabilities),
            Owner::Session(session) => Self::Session(session),
        }
    }
}

impl Catalogue {
    /// Whether a client at that endpoint is to be told: not of a backend that it must not hear of.
    pub fn tells(&self, change: &Change, endpoint: &Endpoint, view: &View) -> bool {
        let knows = |(_, it): (usize, &Member)| self.knows(view.visibility, &it.handle);
        change.concerns(endpoint, view) && self.member(&change.backend).is_none_or(knows)
    }
}

impl Change {
    /// Whether a client at that endpoint could see the difference.
    pub(super) fn concerns(&self, endpoint: &Endpoint, view: &View) -> bool {
        let is_there = match endpoint {
            Endpoint::Aggregate => true,
            Endpoint::Server(name) => *name == self.backend || *self.backend == *OWN_NAME,
        };
        is_there
            && match self.audience {
                Audience::Everybody => true,
                Audience::Capable(capabilities) => capabilities == view.capabilities,
                Audience::Session(session) => view.session == Some(session),
            }
    }
}
