//! The soft state of all sessions that have some.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::shards::Shards;
use super::state::State;
use crate::call::SessionId;

/// States by session, counted.
#[derive(Default)]
pub(super) struct States {
    shards: Shards<HashMap<SessionId, Arc<State>>>,
    count: AtomicUsize,
}

impl States {
    /// The state of a session, if it has one.
    pub(super) fn get(&self, id: SessionId) -> Option<Arc<State>> {
        self.shards.of(id).lock().get(&id).cloned()
    }

    /// The state of a session, made if it has none; `None` if there are `most` already.
    pub(super) fn get_or_make(
        &self,
        id: SessionId,
        most: usize,
        make: impl FnOnce() -> State,
    ) -> Option<Arc<State>> {
        let mut states = self.shards.of(id).lock();
        let state = match states.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let one_more = |count| (count < most).then_some(count + 1);
                self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
                entry.insert(Arc::new(make()))
            }
        };
        state.touch(); // under the lock, or it could be taken before it is used
        Some(Arc::clone(state))
    }

    /// Takes the state of a session.
    pub(super) fn remove(&self, id: SessionId) -> Option<Arc<State>> {
        let state = self.shards.of(id).lock().remove(&id)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(state)
    }

    /// All states.
    pub(super) fn all(&self) -> Vec<Arc<State>> {
        let mut all = Vec::new();
        for states in self.shards.all() {
            all.extend(states.lock().values().cloned());
        }
        all
    }

    /// Takes those states that `is_over`.
    pub(super) fn take(&self, is_over: impl Fn(&State) -> bool) -> Vec<Arc<State>> {
        let mut taken = Vec::new();
        for states in self.shards.all() {
            let mut states = states.lock();
            taken.extend(states.extract_if(|_, state| is_over(state)).map(|(_, state)| state));
        }
        self.count.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }
}
