//! Where the states of keys are kept, so many and no more.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;

/// Keys are spread over this many locks.
const SHARDS: usize = 16;
/// Keys that have a state of their own: 4 MiB of addresses.
pub(super) const MAX_KEYS: usize = 65_536;
/// States that keys share when there are more of them.
pub(super) const MAX_CROWDS: usize = 1024;

/// The state of each key.
///
/// Once there are as many keys as there may be, those that come share states, a random crowd each.
/// So whoever makes keys up neither fills the memory, nor has what was counted forgotten, nor locks
/// everybody else out; those who were there before notice nothing.
///
/// A quick hash will do although keys come from outside: its seed is random and nothing that
/// depends on it is ever shown, and the most that somebody could gain by keys that collide is a
/// search among the few thousand of one shard.
pub(super) struct Store<K> {
    /// Whether keys have come since this was last taken.
    pub(super) has_grown: AtomicBool,
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
}

struct Shard<K> {
    states: HashMap<K, Nanos, RandomState>,
    /// Made when it is first needed.
    crowds: Vec<Option<Nanos>>,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        let shard = |_| Mutex::new(Shard { states: HashMap::default(), crowds: Vec::new() });
        Self {
            has_grown: AtomicBool::new(false),
            hasher: RandomState::default(),
            shards: std::array::from_fn(shard),
        }
    }
}

impl<K: Hash + Eq + Clone> Store<K> {
    /// Takes so much from the state of `key`, if it has one.
    pub(super) fn reduce(&self, key: &K, by: Nanos) {
        let less = |state: Nanos| Nanos::from(state.as_u64().saturating_sub(by.as_u64()));
        let _ = self.replace(key, |state| state.map(less).map(|less| ((), less)).ok_or(()));
    }

    /// Replaces the state of `key` by what `decide` makes of it, unless that is an error.
    fn replace<T, E>(
        &self,
        key: &K,
        decide: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    ) -> Result<T, E> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 33).expect("31 bits fit");
        let mut shard = self.shards[hash % SHARDS].lock();
        let Shard { states, crowds } = &mut *shard;
        if let Some(state) = states.get_mut(key) {
            let (decision, new) = decide(Some(*state))?;
            *state = new;
            return Ok(decision);
        }
        if states.len() < MAX_KEYS / SHARDS {
            let (decision, new) = decide(None)?;
            states.insert(key.clone(), new);
            self.has_grown.store(true, Ordering::Relaxed);
            return Ok(decision);
        }
        crowds.resize(MAX_CROWDS / SHARDS, None);
        let crowd = &mut crowds[hash / SHARDS % (MAX_CROWDS / SHARDS)];
        let (decision, new) = decide(*crowd)?;
        *crowd = Some(new);
        Ok(decision)
    }

    /// How many keys have a state of their own.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().states.len()).sum()
    }

    /// Forgets keys whose state is as good as new.
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.states.retain(|_, state| *state > drop_below);
            let (len, capacity) = (shard.states.len(), shard.states.capacity());
            if capacity > 4 * len.max(64) {
                shard.states.shrink_to(2 * len);
            }
        }
    }
}

/// The store as `governor` holds it.
pub(super) struct Shared<K>(pub(super) Arc<Store<K>>);

impl<K: Hash + Eq + Clone> StateStore for Shared<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.replace(key, decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Shared<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
