//! Work whose client went away before it was done.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::relay::{Head, Relay};
use crate::call::Error;

/// How many calls are carried on without a client; what comes then is cancelled.
const MAX_KEPT: usize = 1024;
/// How long one is carried on.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Carries legacy calls on whose connection was lost (MCP 2025-11-25, Streamable HTTP:
/// "Disconnection SHOULD NOT be interpreted as the client cancelling its request").
///
/// What they say goes into the session's replay buffer, from where a client that has event ids can
/// fetch it.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    tasks: TaskTracker,
    draining: CancellationToken,
    kept: AtomicUsize,
}

impl Keeper {
    /// A keeper whose work belongs to `tasks` and is given up at `draining`: replays end with the
    /// process.
    pub fn new(tasks: TaskTracker, draining: CancellationToken) -> Self {
        Self(Arc::new(Inner { tasks, draining, kept: AtomicUsize::new(0) }))
    }

    /// Where the worker's own tasks belong.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// How many calls are being carried on.
    pub fn len(&self) -> usize {
        self.0.kept.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn adopt(&self, mut relay: Box<Relay>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.0.kept.fetch_add(1, Ordering::Relaxed) >= MAX_KEPT {
            self.0.kept.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("portcullis_dropped_total", "reason" => "keeper_full").increment(1);
            return;
        }
        let kept = Kept(self.clone());
        let work = async move {
            let draining = &kept.0.0.draining;
            let carried = async { while poll_fn(|cx| relay.poll_frame(cx)).await.is_some() {} };
            let carried = draining.run_until_cancelled(time::timeout(MAX_AGE, carried)).await;
            if matches!(carried, Some(Err(_))) {
                metrics::counter!("portcullis_dropped_total", "reason" => "kept_too_long")
                    .increment(1);
            }
        };
        self.0.tasks.spawn_on(work, &runtime);
    }
}

struct Kept(Keeper);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.0.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A relay that goes to the keeper if it is dropped before it is done.
pub struct Guarded {
    relay: Option<Box<Relay>>,
    keeper: Keeper,
}

impl Guarded {
    /// Watches over a relay.
    pub fn new(relay: Box<Relay>, keeper: Keeper) -> Self {
        Self { relay: Some(relay), keeper }
    }

    /// See [`Relay::poll_head`].
    pub async fn head(&mut self) -> Head {
        poll_fn(|cx| self.relay().poll_head(cx)).await
    }

    /// See [`Relay::open_stream`].
    pub fn open_stream(&mut self) -> Option<Bytes> {
        self.relay().open_stream()
    }

    /// See [`Relay::fail`].
    pub fn fail(&mut self, error: &Error) {
        self.relay().fail(error);
    }

    /// See [`Relay::poll_frame`].
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.relay().poll_frame(cx)
    }

    fn relay(&mut self) -> &mut Relay {
        self.relay.as_mut().expect("the relay leaves with the drop only")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(relay) = self.relay.take()
            && relay.survives_disconnect()
        {
            self.keeper.adopt(relay);
        }
    }
}
