//! A backend that is a child process and speaks JSON-RPC on its standard streams.
//!
//! One task of the background runtime owns the child, reads it and writes to it.

pub mod guardian;
mod life;
mod lines;
mod process;
mod stderr;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

pub use self::lines::one_line;
use super::duplex::{Connection, INITIALIZED, Wire, accept, initialize};
use super::{
    Background, Config, INBOX_CAPACITY, MAX_MESSAGE_BYTES, OpenError, Opened, Stdio, Transport,
};
use crate::call::Error;
use crate::mcp::Capabilities;

/// How long a child has at least when it is started for the first time: it may be downloading
/// itself (`npx`, `uvx`).
const FIRST_START: Duration = Duration::from_mins(1);

/// Starts a child and initialises it. To close the connection stops it: closes its standard input,
/// and after a grace period sends SIGTERM, then SIGKILL.
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
) -> Result<Opened<Connection>, OpenError> {
    let least = if first_start { FIRST_START } else { Duration::ZERO };
    let patience = config.connect_timeout.max(least);
    open_with(config, background, capabilities, patience, MAX_MESSAGE_BYTES).await
}

async fn open_with(
    config: &Arc<Config>,
    background: &Background,
    capabilities: Capabilities,
    patience: Duration,
    max_message_bytes: usize,
) -> Result<Opened<Connection>, OpenError> {
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let wire = Arc::new(Wire::new(Arc::clone(&config.name)));
    let stdio = stdio(config);
    let life = life::start(config, stdio, background, &wire, max_message_bytes, sender)?;
    // Armed from here on: whoever gives up waiting for `initialize` leaves no child behind.
    let stop = life.closing.clone().drop_guard();
    let answer = timeout(patience, initialize(&wire, capabilities)).await;
    let answer = answer.map_err(|_| OpenError::Timeout { after: patience })?.map_err(failed)?;
    let (initialized, version) = accept(&answer)?;
    wire.outbox.offer(INITIALIZED);
    let connection = Connection::new(wire, version, config.call_timeout, life, stop);
    Ok(Opened { connection: Arc::new(connection), initialized, inbox })
}

fn stdio(config: &Config) -> &Stdio {
    match &config.transport {
        Transport::Stdio(stdio) => stdio,
        other => panic!("{} is no stdio backend: {other:?}", config.name),
    }
}

fn failed(error: Error) -> OpenError {
    match error {
        Error::ConnectionLost { detail, .. } => OpenError::Exited { reason: detail.to_string() },
        error => OpenError::BadAnswer(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
