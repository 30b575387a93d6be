//! The task that owns the life of one backend.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backends::{
    BackendState, ConnectError, Handle, Kind, Listing, Offer, Pooled, Transport,
};

/// Owns the life of one backend.
pub(super) struct Supervisor {
    handle: Arc<Handle>,
}

impl Supervisor {
    /// From now on the backend is starting, also for whoever looks before the task runs.
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        handle.publish(BackendState::Starting);
        Self { handle }
    }

    /// Runs until the backend is of no more use, or everything stops.
    pub(super) async fn run(self, stopping: CancellationToken) {
        tokio::select! {
            // Connections are closed right after: that must not look like a crash.
            biased;
            () = stopping.cancelled() => self.handle.publish(BackendState::Stopped),
            () = self.live() => {}
        }
    }

    /// One life, from the start to the failure that ends it.
    async fn live(&self) {
        match self.handle.pool().start().await {
            Ok(pooled) => self.follow(&pooled).await,
            Err(error) => self.not_started(&error),
        }
    }

    /// Says what the backend offers, whenever that changes, until its connection is closed.
    async fn follow(&self, pooled: &Pooled) {
        let mut listing = pooled.listing();
        let mut last = None;
        loop {
            let known = listing.borrow_and_update().clone();
            match known {
                Listing::Pending => {}
                Listing::Listed(offer) => {
                    self.running(&offer, last.is_none());
                    last = Some(offer);
                }
                Listing::Failed(error) => self.fail(&error, None),
            }
            tokio::select! {
                () = pooled.closed().cancelled() => return self.crashed(pooled, last),
                changed = listing.changed() => {
                    if changed.is_err() {
                        return self.crashed(pooled, last);
                    }
                }
            }
        }
    }

    fn running(&self, offer: &Arc<Offer>, is_new: bool) {
        self.handle.publish(BackendState::Running(offer.clone()));
        let count = |kind| offer.items(kind).len();
        let (tools, prompts, resources) =
            (count(Kind::Tool), count(Kind::Prompt), count(Kind::Resource));
        let backend = &**self.handle.name();
        if is_new {
            info!(backend, tools, prompts, resources, "backend is {}", self.handle.word());
        } else {
            info!(backend, tools, prompts, resources, "backend changed what it offers");
        }
    }

    fn not_started(&self, error: &ConnectError) {
        let what_to_do = match self.handle.config().transport {
            Transport::Stdio(_) => "check spec.command, spec.args and spec.env",
            Transport::StreamableHttp(_) | Transport::Sse(_) => {
                "check spec.url and that the server is up"
            }
        };
        let error = self.handle.config().without_secrets(&error.to_string());
        warn!(
            backend = &**self.handle.name(),
            error,
            "backend did not start: {what_to_do}; its tools are missing until it is started again"
        );
        self.fail(&error, None);
    }

    /// How it ended is in the log already: the transport says it.
    fn crashed(&self, pooled: &Pooled, last: Option<Arc<Offer>>) {
        let error = pooled.connection.end_reason();
        let error = error.unwrap_or_else(|| "its connection was lost".into());
        let backend = &**self.handle.name();
        warn!(backend, "backend went away; calls to it fail until it is started again");
        self.fail(&error, last);
    }

    fn fail(&self, error: &str, last: Option<Arc<Offer>>) {
        let error = self.handle.config().without_secrets(error).into();
        self.handle.publish(BackendState::Failed { error, since: Instant::now(), last });
    }
}
