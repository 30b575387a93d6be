//! The connections to one backend, each opened once and shared by everybody it is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::connection::{Dialed, Dialer};
use super::interned::Interned;
use super::key::{Key, Owner};
use super::pooled::{ListChanged, Pooled};
use super::{Config, Context, OpenError, inbox, listing};
use crate::call::SessionId;

/// How many connections one backend may have at one time.
const MAX_CONNECTIONS: usize = 1024;
/// For how long a failed opening answers those who come next, so that a backend that refuses is
/// not asked once for every call.
const FAILURE_MEMORY: Duration = Duration::from_secs(1);
/// How many changes wait for the catalogue before it has to look at everything.
const LIST_CHANGES_CAPACITY: usize = 256;

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There are too many already.
    #[error("it already has {0} connections")]
    Full(usize),
    /// The connection was given up before it was open, or the gateway is shutting down.
    #[error("the connection was closed before it was open")]
    Closed,
}

/// What an opening came to; `None` while it is under way.
type Opening = Option<Result<Arc<Pooled>, ConnectError>>;

struct Slot {
    opening: watch::Receiver<Opening>,
    /// Ends the connection, or its opening.
    cancel: CancellationToken,
}

/// The connections to one backend.
pub struct Pool {
    config: Arc<Config>,
    context: Context,
    dialer: Dialer,
    slots: Mutex<HashMap<Key, Slot>>,
    closing: CancellationToken,
    tasks: TaskTracker,
    list_changes: broadcast::Sender<ListChanged>,
    offers: Arc<Interned>,
}

impl Pool {
    pub(super) fn new(config: Arc<Config>, context: Context, dialer: Dialer) -> Arc<Self> {
        Arc::new(Self {
            config,
            context,
            dialer,
            slots: Mutex::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            list_changes: broadcast::channel(LIST_CHANGES_CAPACITY).0,
            offers: Arc::default(),
        })
    }

    /// What all backends share.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Hears when what a connection offers has become known, or has changed.
    pub fn list_changes(&self) -> broadcast::Receiver<ListChanged> {
        self.list_changes.subscribe()
    }

    /// The open connection of that key, if there is one.
    pub fn get(&self, key: Key) -> Option<Arc<Pooled>> {
        let slots = self.slots.lock();
        let opening = slots.get(&key)?.opening.borrow();
        let pooled = opening.as_ref()?.as_ref().ok()?;
        (!pooled.closed().is_cancelled()).then(|| pooled.clone())
    }

    /// The connection of that key, opened if there is none.
    ///
    /// Whoever asks while it is being opened waits for the same opening, which goes on when they
    /// leave.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn connection(self: &Arc<Self>, key: Key) -> Result<Arc<Pooled>, ConnectError> {
        self.open(key, false).await
    }

    /// The supervisor's connection; the first start of a child may take long.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn start(self: &Arc<Self>) -> Result<Arc<Pooled>, ConnectError> {
        self.open(Key::of_supervisor(&self.config), true).await
    }

    async fn open(self: &Arc<Self>, key: Key, first: bool) -> Result<Arc<Pooled>, ConnectError> {
        if let Some(pooled) = self.get(key) {
            return Ok(pooled);
        }
        let mut opening = self.slot(key, first)?;
        let done = opening.wait_for(Option::is_some).await;
        // The task gives an answer unless its runtime is gone.
        done.map_or(Err(ConnectError::Closed), |it| it.clone().unwrap_or(Err(ConnectError::Closed)))
    }

    /// The opening under way, or a new one.
    fn slot(
        self: &Arc<Self>,
        key: Key,
        first: bool,
    ) -> Result<watch::Receiver<Opening>, ConnectError> {
        if self.closing.is_cancelled() {
            return Err(ConnectError::Closed);
        }
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(&key)
            && !has_ended(&slot.opening)
        {
            return Ok(slot.opening.clone());
        }
        if slots.len() >= MAX_CONNECTIONS {
            return Err(ConnectError::Full(MAX_CONNECTIONS));
        }
        let (opened, opening) = watch::channel(None);
        let cancel = self.closing.child_token();
        slots.insert(key, Slot { opening: opening.clone(), cancel: cancel.clone() });
        self.count(&slots);
        let pool = Arc::clone(self);
        let task = pool.keep(key, first, opened, cancel);
        self.context.background.spawn(self.tasks.track_future(task));
        Ok(opening)
    }

    /// The life of one connection, from its opening to its end.
    async fn keep(
        self: Arc<Self>,
        key: Key,
        first: bool,
        opened: watch::Sender<Opening>,
        cancel: CancellationToken,
    ) {
        let dial = self.dialer.dial(&self.config, &self.context, key.capabilities, first);
        match cancel.run_until_cancelled(Box::pin(dial)).await {
            Some(Ok(dialed)) => self.serve(key, dialed, &opened, &cancel).await,
            Some(Err(error)) => {
                debug!(backend = &*self.config.name, ?key, %error, "cannot open a connection");
                opened.send_replace(Some(Err(error.into())));
                cancel.run_until_cancelled(sleep(FAILURE_MEMORY)).await;
            }
            None => {
                opened.send_replace(Some(Err(ConnectError::Closed)));
            }
        }
        self.forget(key, &opened);
    }

    async fn serve(
        self: &Arc<Self>,
        key: Key,
        dialed: Dialed,
        opened: &watch::Sender<Opening>,
        cancel: &CancellationToken,
    ) {
        let Dialed { connection, initialized, inbox } = dialed;
        let backend = self.config.name.clone();
        let (changes, offers) = (self.list_changes.clone(), self.offers.clone());
        let pooled = Pooled::new(backend, key, connection, initialized, changes, offers);
        let pooled = Arc::new(pooled);
        opened.send_replace(Some(Ok(pooled.clone())));
        let (client, timeout) = (&self.context.client, self.config.connect_timeout);
        let listen = inbox::read(self, &pooled, inbox);
        let list = Box::pin(listing::keep_listed(&pooled, client, timeout));
        tokio::select! {
            () = pooled.closed().cancelled() => {}
            () = cancel.cancelled() => pooled.connection.close().await,
            ((), ()) = async { tokio::join!(listen, list) } => {}
        }
    }

    /// Takes a connection out, unless another one stands in its place by now.
    fn forget(&self, key: Key, opened: &watch::Sender<Opening>) {
        let mut slots = self.slots.lock();
        if slots.get(&key).is_some_and(|slot| slot.opening.same_channel(&opened.subscribe())) {
            slots.remove(&key);
            self.count(&slots);
        }
    }

    /// Lists again on the supervisor's connection, if that is another one than `key`.
    pub(super) fn list_again_for_supervisor(&self, key: Key) {
        let supervisor = Key::of_supervisor(&self.config);
        if let Some(pooled) = self.get(supervisor).filter(|_| key != supervisor) {
            pooled.list_again();
        }
    }

    /// The open connections that belong to a session.
    pub fn of_session(&self, session: SessionId) -> Vec<Arc<Pooled>> {
        let is_its = |key: &Key| key.owner == Owner::Session(session);
        let keys: Vec<_> = self.slots.lock().keys().copied().filter(is_its).collect();
        keys.into_iter().filter_map(|key| self.get(key)).collect()
    }

    /// Closes the connections that belong to a session.
    pub fn evict_session(&self, session: SessionId) {
        let mut slots = self.slots.lock();
        slots.retain(|key, slot| {
            let stays = key.owner != Owner::Session(session);
            if !stays {
                slot.cancel.cancel();
            }
            stays
        });
        self.count(&slots);
    }

    /// Closes all connections, opens no more, and waits until they are closed.
    pub async fn close_all(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn count(&self, slots: &HashMap<Key, Slot>) {
        let backend = self.config.name.to_string();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 connections")]
        metrics::gauge!("portcullis_backend_connections", "backend" => backend)
            .set(slots.len() as f64);
    }
}

/// Whether the connection was open and is not any more, but still stands in its place.
fn has_ended(opening: &watch::Receiver<Opening>) -> bool {
    let opening = opening.borrow();
    matches!(&*opening, Some(Ok(pooled)) if pooled.closed().is_cancelled())
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("backend", &self.config.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
