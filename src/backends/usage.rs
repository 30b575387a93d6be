//! Who uses a connection, and when it may go.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pooled;

/// Set in the number of claims once nobody may begin to use the connection any more.
const RETIRED: usize = 1 << (usize::BITS - 1);

/// How much a connection is used.
#[derive(Debug)]
pub(super) struct Usage {
    claims: AtomicUsize,
    /// Cancelled when nothing new may begin.
    retired: CancellationToken,
    /// Cancelled when, besides, everything that had begun has ended.
    unused: CancellationToken,
    opened: Instant,
    /// When it was used last, in milliseconds after it was opened.
    used: AtomicU64,
}

impl Usage {
    /// Of a connection that has just been opened.
    pub(super) fn new() -> Self {
        Self {
            claims: AtomicUsize::new(0),
            retired: CancellationToken::new(),
            unused: CancellationToken::new(),
            opened: Instant::now(),
            used: AtomicU64::new(0),
        }
    }

    /// Somebody used it just now.
    pub(super) fn touch(&self) {
        let after = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(after, Ordering::Relaxed);
    }

    /// When it was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        self.opened + std::time::Duration::from_millis(self.used.load(Ordering::Relaxed))
    }

    /// Whether calls are under way on it.
    pub(super) fn is_claimed(&self) -> bool {
        self.claims.load(Ordering::Acquire) & !RETIRED > 0
    }

    /// Whether nothing new may begin on it; looked at by every call, so without a lock.
    pub(super) fn is_retired(&self) -> bool {
        self.claims.load(Ordering::Acquire) & RETIRED != 0
    }

    /// Cancelled when nothing new may begin on it.
    pub(super) fn retired(&self) -> &CancellationToken {
        &self.retired
    }

    /// Cancelled when it is retired and nothing is under way on it any more.
    pub(super) fn unused(&self) -> &CancellationToken {
        &self.unused
    }

    /// Nothing new begins on it from now on.
    pub(super) fn retire(&self) {
        let before = self.claims.fetch_or(RETIRED, Ordering::AcqRel);
        self.retired.cancel();
        if before & !RETIRED == 0 {
            self.unused.cancel();
        }
    }

    /// The same, unless something is under way on it; whether it is retired by this.
    pub(super) fn retire_unclaimed(&self) -> bool {
        let retires =
            self.claims.compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if retires {
            self.retired.cancel();
            self.unused.cancel();
        }
        retires
    }

    fn claim(&self) -> bool {
        let one_more = |claims: usize| (claims & RETIRED == 0).then_some(claims + 1);
        self.claims.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    fn release(&self) {
        self.touch();
        if self.claims.fetch_sub(1, Ordering::AcqRel) == RETIRED | 1 {
            self.unused.cancel();
        }
    }
}

/// The right to use a connection: it stays open, and counts as used, until this is dropped.
#[derive(Debug)]
pub struct Claim(Arc<Pooled>);

impl Claim {
    /// `None` if the connection is about to go.
    pub(super) fn new(pooled: Arc<Pooled>) -> Option<Self> {
        pooled.usage.claim().then(|| Self(pooled))
    }
}

impl Deref for Claim {
    type Target = Pooled;

    fn deref(&self) -> &Pooled {
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.usage.release();
    }
}
