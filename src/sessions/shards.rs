//! What is kept by session, behind several locks.

use parking_lot::Mutex;

use crate::call::SessionId;

/// Sessions are spread over this many locks.
pub(super) const SHARDS: usize = 16;

/// Parts of what is kept, so that calls of different sessions seldom wait for one another.
pub(super) struct Shards<T>([Mutex<T>; SHARDS]);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<T> Shards<T> {
    /// The part in which a session is.
    pub(super) fn of(&self, session: SessionId) -> &Mutex<T> {
        &self.0[usize::from(session.as_bytes()[0]) % SHARDS]
    }

    /// All parts.
    pub(super) fn all(&self) -> impl Iterator<Item = &Mutex<T>> {
        self.0.iter()
    }
}
