//! One connection in the pool, and what is known of it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::interned::Interned;
use super::key::Key;
use super::level::Told;
use super::usage::{Claim, Usage};
use super::{Connection, Declared, Listing, Offer};

/// An open connection, and what is known of it.
#[derive(Debug)]
pub struct Pooled {
    /// The connection.
    pub connection: Connection,
    backend: Arc<str>,
    key: Key,
    initialized: Bytes,
    declared: Declared,
    /// Kept here because asking the connection for it costs a lock more for every call.
    closed: CancellationToken,
    listing: watch::Sender<Listing>,
    changed: Notify,
    list_changes: broadcast::Sender<ListChanged>,
    offers: Arc<Interned>,
    pub(super) told: Told,
    pub(super) usage: Usage,
}

/// What a connection offers has become known, or has changed.
#[derive(Clone, Debug)]
pub struct ListChanged {
    /// The connection.
    pub key: Key,
    /// What it offered before; `None` when this is the first time.
    pub before: Option<Arc<Offer>>,
    /// What it offers now.
    pub now: Arc<Offer>,
}

impl Pooled {
    pub(super) fn new(
        backend: Arc<str>,
        key: Key,
        connection: Connection,
        initialized: Bytes,
        list_changes: broadcast::Sender<ListChanged>,
        offers: Arc<Interned>,
    ) -> Self {
        Self {
            closed: connection.closed(),
            connection,
            backend,
            key,
            declared: Declared::parse(&initialized),
            initialized,
            listing: watch::Sender::default(),
            changed: Notify::new(),
            list_changes,
            offers,
            told: Told::default(),
            usage: Usage::new(),
        }
    }

    /// The backend's name.
    pub fn backend(&self) -> &Arc<str> {
        &self.backend
    }

    /// Its place in the pool.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The `InitializeResult`, as the backend sent it.
    pub fn initialized(&self) -> &Bytes {
        &self.initialized
    }

    /// What the backend declares on it.
    pub fn declared(&self) -> Declared {
        self.declared
    }

    /// Cancelled when the connection is of no more use.
    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Whether it may be used: it is neither closed nor about to be.
    pub fn is_open(&self) -> bool {
        !self.closed.is_cancelled() && !self.usage.is_retired()
    }

    /// The right to use it; `None` if it is about to go.
    pub fn claim(self: &Arc<Self>) -> Option<Claim> {
        Claim::new(Arc::clone(self))
    }

    /// When it was opened.
    pub fn opened(&self) -> Instant {
        self.usage.opened()
    }

    /// When it was used last.
    pub fn used(&self) -> Instant {
        self.usage.used()
    }

    /// What it offers, as it is listed and listed again.
    pub fn listing(&self) -> watch::Receiver<Listing> {
        self.listing.subscribe()
    }

    /// What it offers, if it has been listed.
    pub fn offer(&self) -> Option<Arc<Offer>> {
        self.listing.borrow().offer().cloned()
    }

    /// Lists everything again soon.
    pub(super) fn list_again(&self) {
        self.changed.notify_one();
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn publish(&self, offer: Offer) {
        let now = self.offers.intern(offer);
        let before = self.listing.send_replace(Listing::Listed(now.clone())).offer().cloned();
        if before.as_ref().is_none_or(|before| before.digest() != now.digest()) {
            // Without a catalogue nobody listens, which is no loss.
            let _ = self.list_changes.send(ListChanged { key: self.key, before, now });
        }
    }

    /// What was listed once stays: a failed refresh does not take tools away.
    pub(super) fn publish_failure(&self, error: &str) {
        self.listing.send_if_modified(|listing| {
            let never = listing.offer().is_none();
            if never {
                *listing = Listing::Failed(error.into());
            }
            never
        });
    }
}
