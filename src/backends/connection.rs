//! One connection to a backend, whatever the transport.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::relay::Target;
#[cfg(test)]
use super::scripted;
use super::{Config, Context, OpenError, Opened, Transport, Unsolicited, duplex, http, sse, stdio};
use crate::call::{self, Reply, Responder};
use crate::mcp::{Capabilities, Message, ProtocolVersion};
use crate::outbound;

/// One initialised connection to a backend.
///
/// The HTTP client is handed in with every use: each worker has its own, and a connection is
/// shared by all of them.
#[derive(Clone, Debug)]
pub enum Connection {
    /// A child process.
    Stdio(Arc<duplex::Connection>),
    /// Streamable HTTP.
    StreamableHttp(Arc<http::Connection>),
    /// HTTP+SSE.
    Sse(Arc<duplex::Connection>),
    /// Connected to a script.
    #[cfg(test)]
    Scripted(Arc<scripted::Connection>),
}

impl Connection {
    /// Relays a client's request.
    ///
    /// Dropping the future or the reply before the response cancels the request at the backend.
    ///
    /// # Errors
    /// When the backend gives no answer.
    pub async fn call(
        &self,
        client: &outbound::Client,
        request: &call::Request,
        target: &Target,
    ) -> Result<Reply, call::Error> {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => {
                connection.call(request, target).await
            }
            Self::StreamableHttp(connection) => connection.call(client, request, target).await,
            #[cfg(test)]
            Self::Scripted(connection) => connection.call(client, request, target).await,
        }
    }

    /// Makes a request of our own and gives the raw response: a result or an error.
    ///
    /// # Errors
    /// When the backend gives no answer in time.
    pub async fn request(
        &self,
        client: &outbound::Client,
        method: &str,
        params: Option<&Value>,
        deadline: Duration,
    ) -> Result<Message, call::Error> {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => {
                connection.request(method, params, deadline).await
            }
            Self::StreamableHttp(connection) => {
                connection.request(client, method, params, deadline).await
            }
            #[cfg(test)]
            Self::Scripted(connection) => {
                connection.request(client, method, params, deadline).await
            }
        }
    }

    /// Sends a notification; nobody hears whether it arrived.
    pub async fn notify(&self, client: &outbound::Client, message: Bytes) {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.notify(message).await,
            Self::StreamableHttp(connection) => connection.notify(client, message).await,
            #[cfg(test)]
            Self::Scripted(connection) => connection.notify(client, message).await,
        }
    }

    /// Ends the connection in the transport's own way.
    pub async fn close(&self) {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.close().await,
            Self::StreamableHttp(connection) => connection.close().await,
            #[cfg(test)]
            Self::Scripted(connection) => connection.close().await,
        }
    }

    /// Hands a request of the backend that no stream of its client could carry to the call that
    /// started last.
    ///
    /// A pipe, or the one stream of HTTP+SSE, does not say which call a request belongs to, so any
    /// call's stream will do; over streamable HTTP it has come on the stream it belongs to.
    ///
    /// # Errors
    /// The responder, if there is no such call.
    pub fn ask_newest_call(&self, request: Message, responder: Responder) -> Result<(), Responder> {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => {
                let unasked = connection.offer_to_newest_call(request, responder);
                unasked.map_or(Ok(()), |(_, responder)| Err(responder))
            }
            Self::StreamableHttp(_) => Err(responder),
            #[cfg(test)]
            Self::Scripted(_) => Err(responder),
        }
    }

    /// Cancelled when the connection is of no more use.
    pub fn closed(&self) -> CancellationToken {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.closed(),
            Self::StreamableHttp(connection) => connection.closed(),
            #[cfg(test)]
            Self::Scripted(connection) => connection.closed(),
        }
    }

    /// How it ended, if it has and the transport knows.
    pub fn end_reason(&self) -> Option<Arc<str>> {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.end_reason(),
            Self::StreamableHttp(_) => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    /// The protocol revision that was negotiated.
    pub fn version(&self) -> ProtocolVersion {
        match self {
            Self::Stdio(connection) | Self::Sse(connection) => connection.version(),
            Self::StreamableHttp(connection) => connection.version(),
            #[cfg(test)]
            Self::Scripted(connection) => connection.version(),
        }
    }
}

/// How connections to a backend are opened.
#[derive(Clone, Debug)]
pub(super) enum Dialer {
    /// As the configuration says.
    Transport,
    /// By a script.
    #[cfg(test)]
    Scripted(Arc<scripted::Backend>),
}

/// A connection that has been initialised, whatever the transport.
#[derive(Debug)]
pub(super) struct Dialed {
    pub(super) connection: Connection,
    pub(super) initialized: Bytes,
    pub(super) inbox: mpsc::Receiver<Unsolicited>,
}

impl Dialed {
    fn new<C>(opened: Opened<C>, connection: impl FnOnce(Arc<C>) -> Connection) -> Self {
        let Opened { connection: inner, initialized, inbox } = opened;
        Self { connection: connection(inner), initialized, inbox }
    }
}

impl Dialer {
    /// Opens a connection. `first` is the first start of a child, which may take long.
    pub(super) async fn dial(
        &self,
        config: &Arc<Config>,
        context: &Context,
        capabilities: Capabilities,
        first: bool,
    ) -> Result<Dialed, OpenError> {
        #[cfg(test)]
        if let Self::Scripted(backend) = self {
            return Ok(Dialed::new(backend.open(capabilities).await?, Connection::Scripted));
        }
        let Context { background, client, .. } = context;
        match &config.transport {
            Transport::Stdio(_) => stdio::open(config, background, capabilities, first)
                .await
                .map(|opened| Dialed::new(opened, Connection::Stdio)),
            Transport::StreamableHttp(_) => {
                http::Connection::open(config, background, client, capabilities, first)
                    .await
                    .map(|opened| Dialed::new(opened, Connection::StreamableHttp))
            }
            Transport::Sse(_) => sse::open(config, background, client, capabilities)
                .await
                .map(|opened| Dialed::new(opened, Connection::Sse)),
        }
    }
}
