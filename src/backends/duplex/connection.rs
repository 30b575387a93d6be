//! A channel that has been initialised, as callers see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::clock::Clock;
use super::events::Events;
use super::wire::{Whose, Wire};
use crate::backends::relay::{Caller, Target, outgoing};
use crate::call::{Error, Event, Reply, Request, Responder};
use crate::mcp::{Message, ProtocolVersion};

/// A connection to a backend over one channel. Dropped, it ends the channel.
#[derive(Debug)]
pub struct Connection {
    wire: Arc<Wire>,
    version: ProtocolVersion,
    call_timeout: Duration,
    life: Life,
    _stop: DropGuard,
}

/// How the task that owns a channel is told to end, and tells that it has.
#[derive(Clone, Debug, Default)]
pub(in crate::backends) struct Life {
    /// Cancel this to end the channel.
    pub(in crate::backends) closing: CancellationToken,
    /// Cancelled when the channel is gone and all calls have ended.
    pub(in crate::backends) closed: CancellationToken,
}

impl Connection {
    /// `stop` cancels `life.closing` when it is dropped.
    pub(in crate::backends) fn new(
        wire: Arc<Wire>,
        version: ProtocolVersion,
        call_timeout: Duration,
        life: Life,
        stop: DropGuard,
    ) -> Self {
        Self { wire, version, call_timeout, life, _stop: stop }
    }

    /// Relays a client's request.
    ///
    /// # Errors
    /// When there is no response: the connection ends, or nothing comes for too long.
    ///
    /// # Cancel safety
    /// Dropping the future or the reply before the response cancels the request.
    pub async fn call(
        self: &Arc<Self>,
        request: &Request,
        target: &Target,
    ) -> Result<Reply, Error> {
        let mut clock = Clock::new(self.call_timeout);
        let pending = self.wire.register(Whose::Clients)?;
        let bytes = outgoing(request, pending.id, target);
        tokio::select! {
            () = pending.send(bytes) => {}
            after = clock.expired() => {
                return Err(Error::Timeout { backend: Arc::clone(self.backend()), after });
            }
        }
        let (caller, connection) = (Caller::of(request), Arc::clone(self));
        let mut events = Events { pending, caller, clock, connection };
        match events.next().await {
            Some(Ok(Event::Response(response))) => Ok(Reply::message(response)),
            Some(Ok(first)) => Ok(Reply::stream(stream::iter([Ok(first)]).chain(events))),
            Some(Err(error)) => Err(error),
            None => unreachable!("events end with a response or an error"),
        }
    }

    /// Sends a request of our own and waits for its response, a result or an error.
    ///
    /// # Errors
    /// When there is none within `deadline`, or the connection ends.
    pub async fn request(
        self: &Arc<Self>,
        method: &str,
        params: Option<&serde_json::Value>,
        deadline: Duration,
    ) -> Result<Message, Error> {
        let response = self.wire.request(Whose::Ours, method, params);
        timeout(deadline, response).await.unwrap_or_else(|_| {
            Err(Error::Timeout { backend: Arc::clone(self.backend()), after: deadline })
        })
    }

    /// Sends a notification; it is dropped and counted if the backend does not take it.
    #[expect(clippy::unused_async, reason = "all transports have the same methods")]
    pub async fn notify(self: &Arc<Self>, message: Bytes) {
        self.wire.outbox.offer(message);
    }

    /// Hands a request of the backend that no stream took to the call that started last; gives it
    /// back if none runs.
    pub fn offer_to_newest_call(
        &self,
        message: Message,
        responder: Responder,
    ) -> Option<(Message, Responder)> {
        let Some(queue) = self.wire.newest_call() else { return Some((message, responder)) };
        queue.request(message, responder);
        None
    }

    /// Ends the channel in the transport's own way. Returns when it is gone; calls under way end
    /// with an error.
    pub async fn close(&self) {
        self.life.closing.cancel();
        self.life.closed.cancelled().await;
    }

    /// Cancelled when the channel is gone and the connection of no more use.
    pub fn closed(&self) -> CancellationToken {
        self.life.closed.clone()
    }

    /// How the channel ended, once it has.
    pub fn end_reason(&self) -> Option<Arc<str>> {
        match self.wire.ended()? {
            Error::ConnectionLost { detail, .. } => Some(detail),
            _ => None,
        }
    }

    /// Whether somebody is answering a question of the backend.
    pub(in crate::backends) fn has_open_questions(&self) -> bool {
        self.wire.questions.are_open()
    }

    /// The revision agreed upon.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    pub(super) fn backend(&self) -> &Arc<str> {
        &self.wire.backend
    }
}
