//! What a caller is told of the servers: of those alone that have something for it, unless it may
//! change the gateway.

use std::fmt;
use std::sync::Arc;

use super::Parts;
use crate::backends::{Handle, Offer};
use crate::call::Call;
use crate::catalogue::{Catalogue, Kind};
use crate::policy::{Gate, Verdict};

/// Knows what callers are told.
#[derive(Clone)]
pub(super) struct Reach {
    catalogue: Arc<Catalogue>,
    gate: Arc<Gate>,
}

/// How many things of each kind a server has.
pub(super) type Counts = [usize; Kind::ALL.len()];

/// What a caller is told of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What there is for the caller, as long as the server can be called.
    pub(super) counts: Option<Counts>,
}

impl Reach {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { catalogue: Arc::clone(&parts.catalogue), gate: Arc::clone(&parts.gate) }
    }

    /// Whether the caller is told of everything.
    pub(super) fn is_everything(&self, call: &Call) -> bool {
        self.gate.tells_all(&call.principal)
    }

    /// What the caller is told of a server that is there; none if it must not hear of it.
    pub(super) fn look(&self, call: &Call, server: &Handle) -> Option<Seen> {
        let state = server.state();
        if self.is_everything(call) {
            let counts = state.offer().map(|offer| Kind::ALL.map(|kind| offer.items(kind).len()));
            return Some(Seen { counts });
        }
        let counts = state.offer().map(|_| self.usable(call, server));
        let has_nothing =
            |offer: &Arc<Offer>| Kind::ALL.iter().all(|it| offer.items(*it).is_empty());
        let is_told = match (state.offer(), counts) {
            (Some(offer), Some(counts)) if !has_nothing(offer) => counts.iter().any(|it| *it > 0),
            // As long as nobody can tell what it has, all that it may have counts.
            _ => self.gate.decide_unread(&call.principal, server, None) == Verdict::Allow,
        };
        is_told.then_some(Seen { counts })
    }

    fn usable(&self, call: &Call, server: &Handle) -> Counts {
        let view = self.catalogue.view(&call.client, &call.principal);
        self.catalogue.count(server, &view, |entry| self.gate.allows(view.visibility, entry))
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("gate", &self.gate).finish_non_exhaustive()
    }
}
