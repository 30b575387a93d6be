//! A backend reached over HTTP+SSE, the transport of revision 2024-11-05.
//!
//! The server says everything on one event stream, whose first event names the endpoint that we
//! POST to; what a POST is answered with means nothing unless it is an HTTP error. One task of the
//! background runtime owns the stream and sends the POSTs.

mod life;
mod poster;
mod stream;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use self::poster::Poster;
use self::stream::Stream;
use super::duplex::{Connection, Wire, accept, initialize};
use super::remote::Endpoint;
use super::{Background, Config, INBOX_CAPACITY, OpenError, Opened, Transport};
use crate::call::Error;
use crate::mcp::Capabilities;
use crate::outbound::Client;

/// Connects and initialises. To close the connection ends its stream, and with it the session.
///
/// `client` is kept for as long as the connection lasts: give the background runtime's own.
///
/// # Errors
/// When there is no event stream that names an endpoint, or no valid answer to `initialize`, in
/// time.
///
/// # Panics
/// When the transport is not HTTP+SSE.
pub async fn open(
    config: &Arc<Config>,
    background: &Background,
    client: &Client,
    capabilities: Capabilities,
) -> Result<Opened<Connection>, OpenError> {
    let Transport::Sse(remote) = &config.transport else {
        panic!("a backend is opened by its own transport");
    };
    let after = config.connect_timeout;
    let deadline = Instant::now() + after;
    let endpoint = Endpoint::new(config, remote, client).await?;
    let listening = timeout_at(deadline, Stream::open(&endpoint, &remote.url)).await;
    let stream = listening.map_err(|_| stream::nameless(after))??;

    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let wire = Arc::new(Wire::new(Arc::clone(&config.name)));
    let poster = Arc::new(Poster::new(endpoint.at(stream.endpoint), Arc::clone(&wire)));
    let life = life::start(config, background, stream.events, &poster, sender);
    // Armed from here on: whoever gives up waiting for `initialize` leaves no stream behind.
    let stop = life.closing.clone().drop_guard();
    let answer = timeout_at(deadline, initialize(&wire, capabilities)).await;
    let answer = answer.map_err(|_| OpenError::Timeout { after })?;
    let answer = answer.map_err(|error| failed(&endpoint, error))?;
    let (initialized, version) = accept(&answer)?;
    // Waited for: servers refuse requests that overtake it.
    let told = timeout_at(deadline, poster.say_initialized(version)).await;
    told.map_err(|_| OpenError::Timeout { after })??;
    let connection = Connection::new(wire, version, config.call_timeout, life, stop);
    Ok(Opened { connection: Arc::new(connection), initialized, inbox })
}

/// Why `initialize` has no answer.
fn failed(endpoint: &Endpoint, error: Error) -> OpenError {
    match error {
        Error::Connect { detail, .. } => OpenError::Connect {
            authority: endpoint.destination.authority().to_owned(),
            reason: detail.to_string(),
        },
        Error::BadAnswer { detail, .. } | Error::ConnectionLost { detail, .. } => {
            OpenError::BadAnswer(detail.to_string())
        }
        error => OpenError::BadAnswer(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
