//! One session with a backend, and what is done with it as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::dropped;
use super::handshake::{Handshake, INITIALIZE_ID};
use super::progress::Running;
use super::renew::Renewals;
use super::session::Session;
use crate::backends::questions::Questions;
use crate::backends::remote::{Endpoint, Refusal, pass_over};
use crate::backends::{
    Background, Config, INBOX_CAPACITY, OpenError, Opened, Transport, Unsolicited,
};
use crate::mcp::{Capabilities, ProtocolVersion};
use crate::outbound::{self, Client};

/// How long a backend has to take note of the end of a session.
const GOODBYE: Duration = Duration::from_secs(3);

/// How many messages may be on their way in the background; more are dropped. A backend that asks
/// faster than it takes answers shall not fill our memory.
const POSTS: usize = 1024;

/// A session with a backend over Streamable HTTP.
///
/// Shared by all worker threads; it lasts until [`close`](Self::close).
#[derive(Debug)]
pub struct Connection {
    pub(super) endpoint: Endpoint,
    pub(super) background: Background,
    pub(super) capabilities: Capabilities,
    pub(super) session: ArcSwap<Session>,
    pub(super) renewals: Arc<Renewals>,
    pub(super) running: Running,
    pub(super) questions: Questions,
    /// Taken out when the connection is closed, so that the reader comes to an end.
    pub(super) inbox: Mutex<Option<mpsc::Sender<Unsolicited>>>,
    pub(super) closed: CancellationToken,
    ids: AtomicU64,
    /// What is being sent in the background.
    posts: Arc<Semaphore>,
}

impl Connection {
    /// Connects and initialises; the GET stream is opened in the background.
    ///
    /// `client` is kept for what happens in the background: give the background runtime's own. A
    /// first start is no different from later ones: a server that is reached over HTTP has been
    /// started by somebody else.
    ///
    /// The connection has to be [closed](Self::close) in the end: the task that listens to the GET
    /// stream holds it.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not answer as an MCP server of a known revision.
    ///
    /// # Panics
    /// When the backend's transport is not Streamable HTTP.
    pub async fn open(
        config: &Arc<Config>,
        background: &Background,
        client: &Client,
        capabilities: Capabilities,
        _first_start: bool,
    ) -> Result<Opened<Self>, OpenError> {
        let Transport::StreamableHttp(remote) = &config.transport else {
            panic!("a backend is opened by its own transport");
        };
        let endpoint = Endpoint::new(config, remote, client).await?;
        let closed = CancellationToken::new();
        let Handshake { session, result, early } =
            endpoint.handshake(capabilities, 0, closed.child_token()).await?;
        let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
        let connection = Arc::new(Self {
            endpoint,
            background: background.clone(),
            capabilities,
            session: ArcSwap::from_pointee(session),
            renewals: Arc::default(),
            running: Running::default(),
            questions: Questions::default(),
            inbox: Mutex::new(Some(sender)),
            closed,
            ids: AtomicU64::new(INITIALIZE_ID + 1),
            posts: Arc::new(Semaphore::new(POSTS)),
        });
        for message in early {
            connection.take_unsolicited(message);
        }
        connection.listen(connection.session.load_full());
        Ok(Opened { connection, initialized: result, inbox })
    }

    /// Sends a notification, as well as it goes.
    pub async fn notify(self: &Arc<Self>, client: &Client, message: Bytes) {
        let session = self.session.load_full();
        let backend = &self.endpoint.config.name;
        let sending = async {
            let response = self.endpoint.send(client, &session.post, message).await?;
            if response.status().is_success() {
                pass_over(response).await;
            } else {
                let refusal = Refusal::read(response).await;
                let (status, said) = (refusal.status.as_u16(), refusal.text());
                tracing::debug!(%backend, status, said, "a message was refused");
            }
            Ok::<_, outbound::Error>(())
        };
        match time::timeout(self.endpoint.config.connect_timeout, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%backend, error = error.chain(), "a message did not go out");
            }
            Err(_) => tracing::debug!(%backend, "a message did not go out in time"),
        }
    }

    /// Sends a message in the background.
    pub(super) fn post_later(self: &Arc<Self>, message: Bytes) {
        let Ok(turn) = Arc::clone(&self.posts).try_acquire_owned() else {
            return dropped("queue_full");
        };
        let connection = Arc::clone(self);
        self.background.spawn(async move {
            connection.notify(&connection.endpoint.client, message).await;
            drop(turn);
        });
    }

    /// Ends the session: DELETE, as well as it goes. What runs is not waited for.
    pub async fn close(&self) {
        if self.closed.is_cancelled() {
            return;
        }
        self.closed.cancel();
        self.inbox.lock().take();
        self.end(&self.session.load_full()).await;
    }

    /// Tells the backend that a session is over, as well as it goes.
    pub(super) async fn end(&self, session: &Session) {
        if session.id.is_none() {
            return;
        }
        let head = self.endpoint.head(Method::DELETE, session.get.clone());
        let sending = self.endpoint.send(&self.endpoint.client, &head, Bytes::new());
        let backend = &self.endpoint.config.name;
        // 405 means that the server does not let clients end sessions.
        match time::timeout(GOODBYE, sending).await {
            Ok(Ok(response)) => {
                tracing::debug!(%backend, status = response.status().as_u16(), "session ended");
            }
            Ok(Err(error)) => tracing::debug!(%backend, error = error.chain(), "session not ended"),
            Err(_) => tracing::debug!(%backend, "session not ended in time"),
        }
    }

    /// Cancelled when the connection is of no more use.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Whether somebody is answering a question of the backend.
    pub(in crate::backends) fn has_open_questions(&self) -> bool {
        self.questions.are_open()
    }

    /// The negotiated revision.
    pub fn version(&self) -> ProtocolVersion {
        self.session.load().version
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}
