//! Which connections leave the pool, when, and how.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::key::{Key, Owner};
use super::pool::{ConnectError, Pool, Slot};
use super::{Connection, Pooled};
use crate::call::SessionId;

/// How long a connection may stay unused.
const MAX_IDLE: Duration = Duration::from_hours(1);
/// How long what is under way on a connection has to finish once the connection is to go.
const FINISH_WITHIN: Duration = Duration::from_mins(1);

/// Why a connection leaves the pool before it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Nobody has used it for long.
    Idle,
    /// The session it belongs to has ended.
    Session,
    /// The backend is stopped, or is none of ours any more.
    Server,
    /// Another one needs its place.
    Full,
    /// Another one has taken its place.
    Replaced,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Session => "session",
            Self::Server => "server",
            Self::Full => "full",
            Self::Replaced => "replaced",
        }
    }
}

impl Pool {
    /// How often [`Self::reap`] is worth the while.
    pub const REAP_EVERY: Duration = Duration::from_secs(MAX_IDLE.as_secs() / 2);

    /// Closes the connections that nobody has used for an hour.
    ///
    /// One with calls under way, open questions, or clients that wait for what comes on it is
    /// used. The supervisor's own stays: it is how the gateway knows the backend.
    pub fn reap(&self, now: Instant) {
        let is_idle = |pooled: &Pooled| now >= pooled.usage.used() + MAX_IDLE;
        for pooled in self.evictable() {
            if is_idle(&pooled) && !self.is_in_use(&pooled) && pooled.usage.retire_unclaimed() {
                self.removed(&pooled, Reason::Idle);
            }
        }
    }

    /// Closes the connection that has been idle for longest.
    ///
    /// # Errors
    /// When all are in use.
    pub(super) fn make_room(&self) -> Result<(), ConnectError> {
        let mut oldest_first = self.evictable();
        oldest_first.sort_by_key(|pooled| pooled.usage.used());
        let goes = oldest_first
            .iter()
            .find(|pooled| !self.is_in_use(pooled) && pooled.usage.retire_unclaimed());
        let goes = goes.ok_or(ConnectError::Full(self.max_connections))?;
        self.removed(goes, Reason::Full);
        Ok(())
    }

    /// Closes the connections that belong to a session; its calls have been cancelled.
    pub fn evict_session(&self, session: SessionId) {
        for slot in self.take_out(|key| key.owner == Owner::Session(session)) {
            self.left(&slot, Reason::Session);
            slot.retire();
            slot.cancel.cancel();
        }
    }

    /// Closes all connections, each when its calls are done, in a minute at the latest.
    pub fn evict_all(&self) {
        for slot in self.take_out(|_| true) {
            self.left(&slot, Reason::Server);
            slot.retire();
        }
    }

    /// Opens another connection for a key and puts it in the place of the one that is there, which
    /// takes no new calls, finishes those it has, and closes: at once if it has none, in a minute
    /// at the latest.
    ///
    /// # Errors
    /// When it cannot be opened, which leaves the present one where it is, or when the present one
    /// was evicted in the meantime.
    ///
    /// # Cancel safety
    /// Dropped, nothing is replaced.
    pub async fn replace(self: &Arc<Self>, key: Key) -> Result<Arc<Pooled>, ConnectError> {
        if self.room.available_permits() == 0 {
            self.make_room()?;
        }
        let was_there = self.slots.lock().contains_key(&key);
        let slot = self.begin(key, false)?;
        let unless_put = slot.cancel.clone().drop_guard();
        let pooled = slot.opened().await?;
        let replaced = {
            let mut slots = self.slots.lock();
            if was_there && !slots.contains_key(&key) {
                return Err(ConnectError::Closed);
            }
            slots.insert(key, slot)
        };
        unless_put.disarm();
        if let Some(replaced) = replaced {
            self.left(&replaced, Reason::Replaced);
            replaced.retire();
        }
        Ok(pooled)
    }

    /// The open connections that may be closed when nobody uses them.
    fn evictable(&self) -> Vec<Arc<Pooled>> {
        let slots = self.slots.lock();
        let evictable = slots.iter().filter(|(key, _)| !self.is_supervisors(**key));
        evictable.filter_map(|(_, slot)| slot.open()).collect()
    }

    fn is_in_use(&self, pooled: &Pooled) -> bool {
        pooled.usage.is_claimed()
            || pooled.connection.has_open_questions()
            || self.context.sessions.expects(pooled.backend(), pooled.key())
    }

    fn take_out(&self, goes: impl Fn(&Key) -> bool) -> Vec<Slot> {
        let mut slots = self.slots.lock();
        slots.extract_if(|key, _| goes(key)).map(|(_, slot)| slot).collect()
    }

    /// Takes a retired connection out, unless another one stands in its place by now.
    fn removed(&self, pooled: &Arc<Pooled>, reason: Reason) {
        let slots = &mut *self.slots.lock();
        let key = pooled.key();
        if slots.get(&key).and_then(Slot::pooled).is_some_and(|it| Arc::ptr_eq(&it, pooled)) {
            slots.remove(&key);
        }
        self.evicted(key, reason);
    }

    fn left(&self, slot: &Slot, reason: Reason) {
        if let Some(pooled) = slot.open() {
            self.evicted(pooled.key(), reason);
        }
    }

    fn evicted(&self, key: Key, reason: Reason) {
        let (backend, reason) = (self.config.name.to_string(), reason.word());
        debug!(backend, ?key, reason, "a connection goes");
        let labels = [("backend", backend), ("reason", reason.to_owned())];
        metrics::counter!("portcullis_backend_evictions_total", &labels).increment(1);
    }
}

/// Waits until a connection has to be closed: it is cancelled, or retired and its work done.
pub(super) async fn until_over(pooled: &Pooled, cancel: &CancellationToken) {
    let usage = &pooled.usage;
    let finished = async {
        usage.retired().cancelled().await;
        if timeout(FINISH_WITHIN, usage.unused().cancelled()).await.is_err() {
            let backend = &**pooled.backend();
            warn!(backend, "calls took too long on a connection that has to go; they are cut off");
        }
    };
    cancel.run_until_cancelled(finished).await;
}

impl Connection {
    /// Whether somebody is answering a question of the backend.
    fn has_open_questions(&self) -> bool {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.has_open_questions(),
            Self::StreamableHttp(connection) => connection.has_open_questions(),
            #[cfg(test)]
            Self::Scripted(connection) => connection.has_open_questions(),
        }
    }
}

#[cfg(test)]
#[path = "evict_tests.rs"]
mod tests;
