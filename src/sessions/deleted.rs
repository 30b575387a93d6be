//! Sessions that were deleted before they expired.

use std::collections::{HashSet, VecDeque};

use crate::call::SessionId;

/// How many are remembered; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 100_000;

/// Remembers deleted sessions: a sealed id stays readable until it expires.
#[derive(Default)]
pub(super) struct Deleted {
    ids: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Deleted {
    pub(super) fn insert(&mut self, id: SessionId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.ids.contains(&id)
    }
}
