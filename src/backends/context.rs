//! What all backends share.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;

use super::{Background, Key, Unsolicited};
use crate::call::SessionId;
use crate::mcp::Message;
use crate::outbound;

/// Whom a session's own connections speak to outside of calls.
#[expect(clippy::result_large_err, reason = "what is given back is passed on, not stored")]
pub trait SessionSink: Send + Sync + 'static {
    /// Passes a message of a backend to the client of a session. Must not block.
    ///
    /// # Errors
    /// Gives the message back when the session has no stream that could carry it.
    fn deliver(
        &self,
        session: SessionId,
        backend: &Arc<str>,
        message: Unsolicited,
    ) -> Result<(), Unsolicited>;

    /// Passes the announcement that an elicitation is done to whom the backend asked; false if
    /// nobody knows who that is. Must not block.
    fn elicited(&self, backend: &Arc<str>, done: &Message) -> bool;

    /// Whether a client waits for what may come on a connection outside of calls: it is subscribed
    /// to something there, or has a stream open and the connection to itself.
    fn expects(&self, backend: &Arc<str>, connection: Key) -> bool;

    /// What clients are subscribed to on a connection.
    fn subscribed(&self, backend: &Arc<str>, connection: Key) -> Vec<Box<str>>;

    /// Whether a session is over, so that nothing may be opened for it any more. Must be true by the
    /// time that its connections are closed. Must not block.
    fn has_ended(&self, session: SessionId) -> bool;
}

/// `notifications/resources/updated` that came on a connection of several clients.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The backend.
    pub backend: Arc<str>,
    /// The connection it came on: subscriptions made through another one are not meant.
    pub connection: Key,
    /// The resource, or a part of one that was subscribed to.
    pub uri: Box<str>,
    /// The whole notification as it came.
    pub message: Bytes,
}

/// How many updates wait for a slow subscriber before it loses the oldest.
const UPDATES_CAPACITY: usize = 1024;

/// What all backends share.
#[derive(Clone)]
pub struct Context {
    /// Where background work runs.
    pub background: Background,
    /// The background runtime's HTTP client.
    pub client: outbound::Client,
    /// Where messages for one session go.
    pub sessions: Arc<dyn SessionSink>,
    /// Where updates of resources go that several clients may have subscribed to.
    pub updates: broadcast::Sender<Updated>,
    /// How many calls a backend may have that does not say so itself.
    pub max_in_flight: usize,
}

impl Context {
    /// A context with a channel of updates of its own.
    pub fn new(
        background: Background,
        client: outbound::Client,
        sessions: Arc<dyn SessionSink>,
        max_in_flight: usize,
    ) -> Self {
        let (updates, _) = broadcast::channel(UPDATES_CAPACITY);
        Self { background, client, sessions, updates, max_in_flight }
    }
}
