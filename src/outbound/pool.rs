//! The idle connections of one worker thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState; // the keys are numbers of ours
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{self, Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connect::Http2;
use super::http1::Http1;

/// How many idle connections are kept per destination; the oldest go first.
const MAX_IDLE: usize = 64;
/// How long a connection may be idle, unless the server announced less.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// A connection that was idle this long may have been closed without our having looked.
const LONG_IDLE: Duration = Duration::from_secs(1);
/// How often connections that nobody asked for are looked through.
const REAP_EVERY: Duration = Duration::from_secs(15);

/// The place of the one HTTP/2 connection to a destination; locked while it is being made.
pub(super) type Shared = Arc<tokio::sync::Mutex<Option<Http2>>>;

/// The idle connections of one worker thread.
///
/// The locks are there because futures must be `Send`; one thread uses them, so nobody waits.
pub(super) struct Shard {
    idle: Mutex<HashMap<u64, Vec<Idle>, RandomState>>,
    shared: Mutex<HashMap<u64, Shared>>,
    is_reaped: AtomicBool,
    stopped: CancellationToken,
    pub(super) tasks: TaskTracker,
    _stop: DropGuard,
}

struct Idle {
    connection: Box<Http1>,
    keep_alive: Duration,
    expires: Instant,
}

/// A connection in use, which goes back when its response has been read.
pub(super) struct Lease {
    pub(super) connection: Box<Http1>,
    pub(super) destination: u64,
    /// How long it may be idle.
    pub(super) keep_alive: Duration,
    pub(super) was_idle_long: bool,
    pub(super) is_reusable: bool,
    pub(super) shard: Arc<Shard>,
}

impl Lease {
    pub(super) fn give_back(self) {
        let Self { mut connection, destination, keep_alive, is_reusable, shard, .. } = self;
        if !is_reusable || !connection.is_ready() || shard.stopped.is_cancelled() {
            return;
        }
        connection.rest();
        {
            let mut all = shard.idle.lock();
            let idle = all.entry(destination).or_default();
            if idle.len() >= MAX_IDLE {
                idle.remove(0);
            }
            idle.push(Idle { connection, keep_alive, expires: Instant::now() + keep_alive });
        }
        shard.reap();
    }
}

impl Shard {
    pub(super) fn new(tasks: TaskTracker) -> Arc<Self> {
        let stopped = CancellationToken::new();
        Arc::new(Self {
            idle: Mutex::default(),
            shared: Mutex::default(),
            is_reaped: AtomicBool::new(false),
            _stop: stopped.clone().drop_guard(),
            stopped,
            tasks,
        })
    }

    /// The idle connection that was used last: it is the least likely to be closed by now.
    pub(super) fn take(self: &Arc<Self>, destination: u64) -> Option<Lease> {
        let mut all = self.idle.lock();
        let idle = all.get_mut(&destination)?;
        let now = Instant::now();
        while let Some(Idle { connection, keep_alive, expires }) = idle.pop() {
            if !connection.is_closed() && expires > now {
                let was_idle_long = expires < now + keep_alive.saturating_sub(LONG_IDLE);
                let shard = Arc::clone(self);
                return Some(Lease {
                    connection,
                    destination,
                    keep_alive,
                    was_idle_long,
                    is_reusable: true,
                    shard,
                });
            }
        }
        None
    }

    /// Makes the next request open a new HTTP/2 connection.
    pub(super) fn forget_shared(&self, destination: u64) {
        self.shared.lock().remove(&destination);
    }

    pub(super) fn shared(&self, destination: u64) -> Shared {
        Arc::clone(self.shared.lock().entry(destination).or_default())
    }

    /// Closes what is idle, now and later.
    pub(super) fn close(&self) {
        self.stopped.cancel();
        self.idle.lock().clear();
        self.shared.lock().clear();
    }

    /// Sees to it that connections which nobody asks for are closed in time.
    fn reap(self: &Arc<Self>) {
        if self.is_reaped.load(Ordering::Relaxed) || Handle::try_current().is_err() {
            return;
        }
        if self.is_reaped.swap(true, Ordering::AcqRel) {
            return;
        }
        let (shard, stopped) = (Arc::downgrade(self), self.stopped.clone());
        self.tasks.spawn(async move {
            while stopped.run_until_cancelled(time::sleep(REAP_EVERY)).await.is_some() {
                let Some(shard) = shard.upgrade() else { return };
                shard.close_expired();
            }
        });
    }

    fn close_expired(&self) {
        let now = Instant::now();
        self.idle.lock().retain(|_, idle| {
            idle.retain_mut(|idle| {
                idle.connection.look();
                idle.expires > now && !idle.connection.is_closed()
            });
            !idle.is_empty()
        });
        self.shared.lock().retain(|_, shared| {
            // One that is locked is being made.
            shared.try_lock().map_or(true, |http2| http2.as_ref().is_some_and(|c| !c.is_closed()))
        });
    }

    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.idle.lock().values().map(Vec::len).sum()
    }
}
