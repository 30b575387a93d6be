//! A backend that is a child process and speaks JSON-RPC on its standard streams.
//!
//! One task of the background runtime owns the child and reads it; callers and that task meet in
//! the `Wire`: callers queue requests in its outbox and wait at a queue per call.

mod clock;
mod demux;
mod events;
pub mod guardian;
mod life;
mod lines;
mod outbox;
mod process;
mod queue;
mod stderr;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::clock::Clock;
use self::events::Events;
use self::life::Life;
pub use self::lines::one_line;
use self::wire::{Whose, Wire};
use super::relay::{Caller, Target, outgoing};
use super::{
    Background, Config, INBOX_CAPACITY, MAX_MESSAGE_BYTES, OpenError, Opened, Stdio, Transport,
};
use crate::call::{Error, Event, Reply, Request, Responder};
use crate::mcp::method::notification;
use crate::mcp::{Capabilities, Message, ProtocolVersion};

/// How long a child has at least when it is started for the first time: it may be downloading
/// itself (`npx`, `uvx`).
const FIRST_START: Duration = Duration::from_mins(1);

/// A connection to a child process. Dropped, it stops the child.
#[derive(Debug)]
pub struct Connection {
    wire: Arc<Wire>,
    version: ProtocolVersion,
    call_timeout: Duration,
    closing: CancellationToken,
    closed: CancellationToken,
    _stop: DropGuard,
}

impl Connection {
    /// Starts the child and initialises it.
    ///
    /// # Errors
    /// When it cannot be started, or there is no valid answer to `initialize` in time.
    ///
    /// # Panics
    /// When the transport is not stdio.
    pub async fn open(
        config: &Arc<Config>,
        background: &Background,
        capabilities: Capabilities,
        first_start: bool,
    ) -> Result<Opened<Self>, OpenError> {
        let least = if first_start { FIRST_START } else { Duration::ZERO };
        let patience = config.connect_timeout.max(least);
        Self::open_with(config, background, capabilities, patience, MAX_MESSAGE_BYTES).await
    }

    async fn open_with(
        config: &Arc<Config>,
        background: &Background,
        capabilities: Capabilities,
        patience: Duration,
        max_message_bytes: usize,
    ) -> Result<Opened<Self>, OpenError> {
        let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
        let wire = Arc::new(Wire::new(Arc::clone(&config.name)));
        let life =
            Life::start(config, stdio(config), background, &wire, max_message_bytes, sender)?;
        // Armed from here on: whoever gives up waiting for `initialize` leaves no child behind.
        let stop = life.closing.clone().drop_guard();
        let opening = initialize(&wire, capabilities);
        let answer = timeout(patience, opening).await;
        let answer = answer.map_err(|_| OpenError::Timeout { after: patience })??;
        let (initialized, version) = accept(&answer)?;
        wire.outbox.offer(initialized_notification());
        let connection = Self {
            wire,
            version,
            call_timeout: config.call_timeout,
            closing: life.closing,
            closed: life.closed,
            _stop: stop,
        };
        Ok(Opened { connection: Arc::new(connection), initialized, inbox })
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

    /// Sends a notification; it is dropped and counted if the child does not read.
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

    /// Stops the child: closes its standard input, and after a grace period sends SIGTERM, then
    /// SIGKILL. Returns when it is gone; calls under way end with an error.
    pub async fn close(&self) {
        self.closing.cancel();
        self.closed.cancelled().await;
    }

    /// Cancelled when the child is gone and the connection of no more use.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// How the child ended, once it has.
    pub fn end_reason(&self) -> Option<Arc<str>> {
        match self.wire.ended()? {
            Error::ConnectionLost { detail, .. } => Some(detail),
            _ => None,
        }
    }

    /// The revision agreed upon.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    fn backend(&self) -> &Arc<str> {
        &self.wire.backend
    }
}

fn stdio(config: &Config) -> &Stdio {
    match &config.transport {
        Transport::Stdio(stdio) => stdio,
        other => panic!("{} is no stdio backend: {other:?}", config.name),
    }
}

async fn initialize(wire: &Arc<Wire>, capabilities: Capabilities) -> Result<Message, OpenError> {
    let params = json!({
        "protocolVersion": ProtocolVersion::LATEST_LEGACY.as_str(),
        "capabilities": capabilities.to_json(),
        "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
    });
    let answer = wire.request(Whose::Initialize, "initialize", Some(&params)).await;
    answer.map_err(|error| match error {
        Error::ConnectionLost { detail, .. } => OpenError::Exited { reason: detail.to_string() },
        error => OpenError::BadAnswer(error.to_string()),
    })
}

/// The `InitializeResult` and the revision in it.
fn accept(answer: &Message) -> Result<(Bytes, ProtocolVersion), OpenError> {
    #[derive(serde::Deserialize)]
    struct Initialized {
        #[serde(rename = "protocolVersion")]
        protocol_version: String,
    }
    let Some(result) = answer.result() else {
        let error = answer.error().unwrap_or_default();
        return Err(OpenError::Refused(String::from_utf8_lossy(&error).into_owned()));
    };
    let initialized: Initialized =
        serde_json::from_slice(&result).map_err(|error| OpenError::BadAnswer(error.to_string()))?;
    let date = initialized.protocol_version;
    match ProtocolVersion::parse(&date).filter(|version| !version.is_modern()) {
        Some(version) => Ok((result, version)),
        None => Err(OpenError::BadAnswer(format!("protocol version {date:?} is unknown"))),
    }
}

fn initialized_notification() -> Bytes {
    let method = notification::INITIALIZED;
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#))
}

/// Counts a message that went nowhere.
fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests;
