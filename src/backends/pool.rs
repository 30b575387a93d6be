//! The connections to one backend, each opened once and shared by everybody it is for.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState; // nobody else chooses a session's id
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit as Room, Semaphore, broadcast, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::connection::{Dialed, Dialer};
use super::interned::Interned;
use super::key::{Key, Owner};
use super::pooled::{ListChanged, Pooled};
use super::usage::Claim;
use super::{Config, Context, OpenError, evict, inbox, listing};
use crate::call::SessionId;

/// How many connections one backend may have at one time, beside the supervisor's.
pub(super) const MAX_CONNECTIONS: usize = 1024;
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
    #[error("it already has {0} connections, all in use")]
    Full(usize),
    /// The connection was given up before it was open, or the gateway is shutting down.
    #[error("the connection was closed before it was open")]
    Closed,
}

/// What an opening came to; `None` while it is under way.
type Opening = Option<Result<Arc<Pooled>, ConnectError>>;

/// A place in the pool.
#[derive(Clone)]
pub(super) struct Slot {
    opening: watch::Receiver<Opening>,
    /// Ends the connection, or its opening.
    pub(super) cancel: CancellationToken,
}

impl Slot {
    /// Its connection, also one that is of no more use.
    pub(super) fn pooled(&self) -> Option<Arc<Pooled>> {
        self.opening.borrow().as_ref()?.as_ref().ok().cloned()
    }

    /// Its connection, if it is open for new calls.
    pub(super) fn open(&self) -> Option<Arc<Pooled>> {
        self.pooled().filter(|pooled| pooled.is_open())
    }

    /// Whether its connection was open and is not any more, but still stands in its place.
    fn has_ended(&self) -> bool {
        self.pooled().is_some_and(|pooled| !pooled.is_open())
    }

    /// What its opening comes to.
    pub(super) async fn opened(&self) -> Result<Arc<Pooled>, ConnectError> {
        let mut opening = self.opening.clone();
        let done = opening.wait_for(Option::is_some).await;
        // The task gives an answer unless its runtime is gone.
        done.map_or(Err(ConnectError::Closed), |it| it.clone().unwrap_or(Err(ConnectError::Closed)))
    }

    /// Nothing new begins on its connection, which closes when it is done; an opening is given up.
    pub(super) fn retire(&self) {
        match self.pooled() {
            Some(pooled) => pooled.usage.retire(),
            None => self.cancel.cancel(),
        }
    }
}

/// The connections to one backend.
pub struct Pool {
    pub(super) config: Arc<Config>,
    pub(super) context: Context,
    dialer: Dialer,
    pub(super) slots: Mutex<HashMap<Key, Slot, RandomState>>,
    /// A permit for each connection until it is closed, also those that have left their place.
    pub(super) room: Arc<Semaphore>,
    pub(super) max_connections: usize,
    closing: CancellationToken,
    tasks: TaskTracker,
    list_changes: broadcast::Sender<ListChanged>,
    offers: Arc<Interned>,
}

impl Pool {
    pub(super) fn new(
        config: Arc<Config>,
        context: Context,
        dialer: Dialer,
        max_connections: usize,
    ) -> Arc<Self> {
        open_connections(&config.name).increment(0.0); // so that it can be seen
        Arc::new(Self {
            config,
            context,
            dialer,
            slots: Mutex::default(),
            room: Arc::new(Semaphore::new(max_connections)),
            max_connections,
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

    /// The open connection of that key, if there is one, for somebody who uses it now.
    pub fn get(&self, key: Key) -> Option<Arc<Pooled>> {
        let pooled = self.peek(key)?;
        pooled.usage.touch();
        Some(pooled)
    }

    /// The same for somebody who only looks.
    fn peek(&self, key: Key) -> Option<Arc<Pooled>> {
        self.slots.lock().get(&key)?.open()
    }

    /// The connection of that key for a call, if it is open.
    pub fn claim(&self, key: Key) -> Option<Claim> {
        self.get(key)?.claim()
    }

    /// The connection of that key for a call, opened if there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn claim_opened(self: &Arc<Self>, key: Key) -> Result<Claim, ConnectError> {
        loop {
            if let Some(claim) = self.connection(key).await?.claim() {
                return Ok(claim);
            } // it was retired in just this moment
        }
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
        self.slot(key, first)?.opened().await
    }

    /// The opening under way, or a new one.
    fn slot(self: &Arc<Self>, key: Key, first: bool) -> Result<Slot, ConnectError> {
        loop {
            {
                let mut slots = self.slots.lock();
                let present = slots.get(&key).filter(|slot| !slot.has_ended());
                if let Some(slot) = present {
                    return Ok(slot.clone());
                }
                // Under the lock: nothing is opened behind the back of `evict_session`.
                if self.has_no_owner(key) {
                    return Err(ConnectError::Closed);
                }
                let own = usize::from(slots.contains_key(&Key::of_supervisor(&self.config)));
                if slots.len() - own < self.max_connections || self.is_supervisors(key) {
                    let slot = self.begin(key, first)?;
                    slots.insert(key, slot.clone());
                    return Ok(slot);
                }
            }
            self.make_room()?;
        }
    }

    /// Begins to open a connection that has no place in the pool yet.
    pub(super) fn begin(self: &Arc<Self>, key: Key, first: bool) -> Result<Slot, ConnectError> {
        if self.closing.is_cancelled() {
            return Err(ConnectError::Closed);
        }
        let (opened, opening) = watch::channel(None);
        let cancel = self.closing.child_token();
        let task = Arc::clone(self).keep(key, first, opened, cancel.clone());
        self.context.background.spawn(self.tasks.track_future(task));
        Ok(Slot { opening, cancel })
    }

    /// The life of one connection, from its opening to its end.
    async fn keep(
        self: Arc<Self>,
        key: Key,
        first: bool,
        opened: watch::Sender<Opening>,
        cancel: CancellationToken,
    ) {
        let dial = Box::pin(self.dial(key, first));
        match cancel.run_until_cancelled(dial).await {
            Some(Ok((dialed, _room))) => self.serve(key, dialed, &opened, &cancel).await,
            Some(Err(error)) => {
                debug!(backend = &*self.config.name, ?key, %error, "cannot open a connection");
                opened.send_replace(Some(Err(error)));
                cancel.run_until_cancelled(sleep(FAILURE_MEMORY)).await;
            }
            None => {
                opened.send_replace(Some(Err(ConnectError::Closed)));
            }
        }
        self.forget(key, &opened);
    }

    async fn dial(&self, key: Key, first: bool) -> Result<(Dialed, Option<Room>), ConnectError> {
        let room = self.room(key).await?;
        let dial = self.dialer.dial(&self.config, &self.context, key.capabilities, first);
        Ok((dial.await?, room))
    }

    /// A permit for one connection. What has given way may take a moment to close; the
    /// supervisor's own connection needs none, or clients could keep a backend from being watched.
    async fn room(&self, key: Key) -> Result<Option<Room>, ConnectError> {
        if self.is_supervisors(key) {
            return Ok(None);
        }
        let permit = Arc::clone(&self.room).acquire_owned();
        match timeout(self.config.connect_timeout, permit).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(ConnectError::Full(self.max_connections)),
        }
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
        let _counted = Counted::new(&backend);
        let (changes, offers) = (self.list_changes.clone(), self.offers.clone());
        let pooled = Pooled::new(backend, key, connection, initialized, changes, offers);
        let pooled = Arc::new(pooled);
        opened.send_replace(Some(Ok(pooled.clone())));
        let (client, timeout) = (&self.context.client, self.config.connect_timeout);
        let listen = inbox::read(self, &pooled, inbox);
        // What another connection has taken the place of has no say in what is listed.
        let list = Box::pin(listing::keep_listed(&pooled, client, timeout));
        let list = pooled.usage.retired().run_until_cancelled(list);
        tokio::select! {
            () = pooled.closed().cancelled() => {}
            () = evict::until_over(&pooled, cancel) => pooled.connection.close().await,
            _ = async { tokio::join!(listen, list, pending::<()>()) } => {}
        }
    }

    /// Takes a connection out, unless another one stands in its place by now.
    fn forget(&self, key: Key, opened: &watch::Sender<Opening>) {
        let mut slots = self.slots.lock();
        if slots.get(&key).is_some_and(|slot| slot.opening.same_channel(&opened.subscribe())) {
            slots.remove(&key);
        }
    }

    /// Lists again on the supervisor's connection, if that is another one than `key`.
    pub(super) fn list_again_for_supervisor(&self, key: Key) {
        let supervisor = Key::of_supervisor(&self.config);
        if let Some(pooled) = self.peek(supervisor).filter(|_| key != supervisor) {
            pooled.list_again();
        }
    }

    /// Whether the session that a connection would belong to is over.
    fn has_no_owner(&self, key: Key) -> bool {
        matches!(key.owner, Owner::Session(it) if self.context.sessions.has_ended(it))
    }

    pub(super) fn is_supervisors(&self, key: Key) -> bool {
        key == Key::of_supervisor(&self.config)
    }

    /// The open connections that belong to a session.
    pub fn of_session(&self, session: SessionId) -> Vec<Arc<Pooled>> {
        let slots = self.slots.lock();
        let its = slots.iter().filter(|(key, _)| key.owner == Owner::Session(session));
        its.filter_map(|(_, slot)| slot.open()).collect()
    }

    /// Closes all connections, opens no more, and waits until they are closed.
    pub async fn close_all(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Counts an open connection until it is closed.
struct Counted(metrics::Gauge);

impl Counted {
    fn new(backend: &str) -> Self {
        let open = open_connections(backend);
        open.increment(1.0);
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn open_connections(backend: &str) -> metrics::Gauge {
    metrics::gauge!("portcullis_backend_connections", "backend" => backend.to_owned())
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("backend", &self.config.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
