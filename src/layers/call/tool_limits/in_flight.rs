//! How many calls of each owner are under way.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::Owner;

/// Counts calls; an owner without one takes no memory.
///
/// A quick hash will do: only owners with calls under way are in the map, its seed is random, and
/// nothing that depends on it is ever shown.
#[derive(Debug)]
pub(super) struct InFlight {
    limit: usize,
    counts: Mutex<HashMap<Owner, usize, RandomState>>,
}

/// A call under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    in_flight: Arc<InFlight>,
    owner: Owner,
}

impl InFlight {
    /// `limit` is at least one.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// One more of `owner`, unless there are as many as there may be.
    pub(super) fn take(self: &Arc<Self>, owner: &Owner) -> Option<Permit> {
        let mut counts = self.counts.lock();
        let count = counts.entry(owner.clone()).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Permit { in_flight: Arc::clone(self), owner: owner.clone() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.in_flight.counts.lock();
        match counts.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::SessionId;

    #[test]
    fn each_owner_has_so_many_and_leaves_nothing_behind() {
        let in_flight = Arc::new(InFlight::new(2));
        let owner = |byte| Owner::Session(SessionId::from_bytes([byte; 16]));
        let mine = [in_flight.take(&owner(1)).unwrap(), in_flight.take(&owner(1)).unwrap()];
        assert!(in_flight.take(&owner(1)).is_none());
        let other = in_flight.take(&owner(2)).unwrap();
        let [first, second] = mine;
        drop(first);
        let third = in_flight.take(&owner(1)).unwrap();
        assert!(in_flight.take(&owner(1)).is_none());
        drop((second, third, other));
        assert!(in_flight.counts.lock().is_empty());
    }
}
