//! Sessions that were deleted before they expired.

use std::collections::{HashSet, VecDeque};

use super::shards::{SHARDS, Shards};
use crate::call::SessionId;

/// How many are remembered in each shard, 100,000 in all; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 100_000 / SHARDS;

/// Remembers deleted sessions: a sealed id stays readable until it expires.
#[derive(Default)]
pub(super) struct Deleted(Shards<Ids>);

#[derive(Default)]
struct Ids {
    ids: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Deleted {
    pub(super) fn insert(&self, id: SessionId) {
        self.0.of(id).lock().insert(id);
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.0.of(id).lock().ids.contains(&id)
    }
}

impl Ids {
    fn insert(&mut self, id: SessionId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
