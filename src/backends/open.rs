//! What opening a connection needs and gives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::Unsolicited;

/// The largest message a backend may send, in bytes; a longer one ends its connection.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Where the background work of connections runs: reading pipes, holding GET streams.
#[derive(Clone, Debug)]
pub struct Background {
    /// The background runtime.
    pub runtime: tokio::runtime::Handle,
    /// Its tasks; whoever drains waits for them.
    pub tasks: TaskTracker,
}

impl Background {
    /// Starts a task of the background runtime, from whatever thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }
}

/// A connection that has been initialised.
#[derive(Debug)]
pub struct Opened<C> {
    /// The connection.
    pub connection: Arc<C>,
    /// The `InitializeResult`, as the backend sent it.
    pub initialized: Bytes,
    /// What the backend says that belongs to no call; closed when the connection ends.
    pub inbox: mpsc::Receiver<Unsolicited>,
}

/// Why a connection could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The program could not be started.
    #[error("cannot start {command:?}: {reason}")]
    Spawn {
        /// The configured command.
        command: String,
        /// What the operating system says, and what to do.
        reason: String,
    },
    /// The child ended before it was initialised.
    #[error("the process ended before it was initialised: {reason}")]
    Exited {
        /// Its exit status and the last lines of its standard error.
        reason: String,
    },
    /// The server could not be reached (resolving, connecting, TLS).
    #[error("cannot connect to {authority}: {reason}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What failed.
        reason: String,
    },
    /// There is no event stream that names an endpoint (HTTP+SSE).
    #[error("no HTTP+SSE stream at spec.url: {0}")]
    NoStream(String),
    /// The server answered `initialize` with an HTTP status other than success.
    #[error("the server answered initialize with HTTP {status}{}", hint(*status))]
    Status {
        /// The status code.
        status: u16,
    },
    /// The server refused `initialize` with a JSON-RPC error.
    #[error("the server refused initialize: {0}")]
    Refused(String),
    /// What came back is no MCP.
    #[error("the server gave no valid answer to initialize: {0}")]
    BadAnswer(String),
    /// It took too long.
    #[error("no answer to initialize within {} s", after.as_secs_f64())]
    Timeout {
        /// How long it had.
        after: Duration,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (it wants credentials: set them in spec.headers)",
        404 | 405 => " (is spec.url the MCP endpoint, for example …/mcp?)",
        _ => "",
    }
}
