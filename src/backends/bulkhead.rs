//! How many calls a backend may have at one time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Keeps one backend that hangs from taking every permit of the gateway.
#[derive(Debug)]
pub struct Bulkhead {
    permits: Arc<Semaphore>,
    limit: usize,
}

impl Bulkhead {
    /// A bulkhead for `limit` calls.
    pub fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(limit)), limit }
    }

    /// A permit for one call, or `None` at the limit: nobody waits here.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// How many calls there may be.
    pub fn limit(&self) -> usize {
        self.limit
    }
}
