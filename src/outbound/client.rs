//! Sending a request over a connection of the pool.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio_util::task::TaskTracker;

use super::connect::{Connected, Http2, connect};
use super::http1::{Failed, Fault, Http1};
use super::pool::{IDLE_TIMEOUT, Lease, Shard};
use super::{Body, Destination, Error, Head, Spec, Timers, Trust};

/// How much of a request a server has read for sure, also when it answers with an error.
const SURELY_READ: usize = 64 << 10;

/// An HTTP client with idle connections of its own: one per worker thread, cheap to clone.
///
/// Clones share their connections. Requests are sent, and bodies read, on the runtime of whoever
/// sends; connections live on the runtime they were first used from.
#[derive(Clone)]
pub struct Client {
    trust: Arc<Trust>,
    shard: Arc<Shard>,
    timers: Timers,
}

impl Client {
    /// A client without connections, whose tasks `tasks` counts.
    pub fn new(trust: Arc<Trust>, tasks: TaskTracker) -> Self {
        Self { trust, shard: Shard::new(tasks), timers: Timers::default() }
    }

    /// The destination of that spec, the same for equal specs.
    ///
    /// # Errors
    /// When the URL is of no use, or the TLS files are not.
    pub async fn destination(&self, spec: Spec) -> Result<Arc<Destination>, Error> {
        let trust = Arc::clone(&self.trust);
        // Reading the system's certificates takes some 10 ms.
        let made = tokio::task::spawn_blocking(move || trust.destination(spec)).await;
        made.expect("making a destination does not panic")
    }

    /// Sends a request.
    ///
    /// It is sent again on another connection only when nothing of it had been written.
    ///
    /// # Errors
    /// When no connection can be made, or it ends before the head of the response.
    pub async fn send(
        &self,
        destination: &Destination,
        head: &Head,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        loop {
            let (lease, is_fresh) = match self.shard.take(destination.id) {
                Some(lease) => {
                    if lease.was_idle_long {
                        // Lets the runtime look at the sockets once: a request that crosses the
                        // server's closing would be lost.
                        tokio::task::yield_now().await;
                    }
                    (lease, false)
                }
                // Boxed: a request rarely needs it, and its future is large.
                None => match Box::pin(self.connect(destination)).await? {
                    Connection::Own(lease) => (lease, true),
                    Connection::Shared(http2) => {
                        return Box::pin(self.send_shared(http2, destination, head, body)).await;
                    }
                },
            };
            match send_on(lease, destination, head, body.clone(), is_fresh).await {
                Ok(response) => return Ok(response),
                Err(failed) if failed.sent || is_fresh => {
                    return Err(lost(failed.fault, failed.sent, destination));
                }
                Err(_) => {} // the next connection may do better
            }
        }
    }

    /// Closes idle connections; those in use are closed when their responses have been read.
    pub fn close(&self) {
        self.shard.close();
    }

    /// Timers for what this client is used for.
    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// The tasks of this client.
    pub fn tasks(&self) -> &TaskTracker {
        &self.shard.tasks
    }

    async fn connect(&self, destination: &Destination) -> Result<Connection, Error> {
        let tasks = &self.shard.tasks;
        if !destination.http2 {
            return Ok(match connect(destination, tasks).await? {
                Connected::Http1(connection) => self.lease(connection, destination),
                Connected::Http2(connection) => Connection::Shared(connection),
            });
        }
        let shared = self.shard.shared(destination.id);
        let mut shared = shared.lock().await;
        if let Some(http2) = shared.as_ref().filter(|http2| !http2.is_closed()) {
            return Ok(Connection::Shared(http2.clone()));
        }
        match connect(destination, tasks).await? {
            // The server knows no HTTP/2: its connections are pooled like any other's.
            Connected::Http1(connection) => Ok(self.lease(connection, destination)),
            Connected::Http2(connection) => {
                *shared = Some(connection.clone());
                Ok(Connection::Shared(connection))
            }
        }
    }

    fn lease(&self, connection: Box<Http1>, destination: &Destination) -> Connection {
        let shard = Arc::clone(&self.shard);
        let destination = destination.id;
        Connection::Own(Lease {
            connection,
            destination,
            keep_alive: IDLE_TIMEOUT,
            was_idle_long: false,
            is_reusable: true,
            shard,
        })
    }

    async fn send_shared(
        &self,
        mut http2: Http2,
        destination: &Destination,
        head: &Head,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        let mut is_fresh = false;
        loop {
            let request = head.http2(destination, body.clone());
            match http2.try_send_request(request).await {
                Ok(response) => return Ok(response.map(Body::shared)),
                Err(mut failed) => {
                    let sent = failed.take_message().is_none();
                    if sent || is_fresh {
                        return Err(lost(failed.into_error().into(), sent, destination));
                    }
                }
            }
            is_fresh = true;
            self.shard.forget_shared(destination.id);
            http2 = match self.connect(destination).await? {
                Connection::Shared(http2) => http2,
                Connection::Own(lease) => {
                    let answer = send_on(lease, destination, head, body, true).await;
                    return answer.map_err(|it| lost(it.fault, it.sent, destination));
                }
            };
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

#[cfg(test)]
impl Client {
    pub(super) fn idle_connections(&self) -> usize {
        self.shard.idle_connections()
    }
}

/// A connection to send on.
enum Connection {
    Own(Lease),
    Shared(Http2),
}

async fn send_on(
    mut lease: Lease,
    destination: &Destination,
    head: &Head,
    body: Bytes,
    is_fresh: bool,
) -> Result<Response<Body>, Failed> {
    let is_large = body.len() > SURELY_READ;
    let answer = lease.connection.send(destination, head, body).await?;
    if is_large && !answer.status().is_success() {
        // Servers refuse a body by its length and never read it: the next request on that
        // connection would wait behind it, unread too.
        lease.is_reusable = false;
    }
    if is_fresh && let Some(announced) = announced(answer.headers()) {
        lease.keep_alive = lease.keep_alive.min(announced);
    }
    Ok(answer.map(|()| Body::own(lease)))
}

fn lost(fault: Fault, sent: bool, destination: &Destination) -> Error {
    Error::Lost { authority: destination.authority().to_owned(), source: fault, sent }
}

/// How long the server keeps an idle connection (`Keep-Alive: timeout=5`), less a second for what
/// is under way: a request that crosses the server's closing would be lost.
fn announced(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(seconds.trim().parse::<u64>().ok()?.saturating_sub(1)))
}
