//! Making one connection: resolve, TCP, TLS, HTTP handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{self, TcpStream};
use tokio::time;
use tokio_util::task::TaskTracker;

use super::http1::{Http1, Stream};
use super::{AddressKind, Destination, Error};

/// A stream may be silent for hours: only this tells a quiet server from one that is gone.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(20));

pub(super) type Http2 = http2::SendRequest<Full<Bytes>>;

/// A connection; the driver of one over HTTP/2, which several share, has been started.
pub(super) enum Connected {
    Http1(Box<Http1>),
    Http2(Http2),
}

/// Connects; a task that drives the connection is started on the current runtime.
pub(super) async fn connect(
    destination: &Destination,
    tasks: &TaskTracker,
) -> Result<Connected, Error> {
    let authority = || destination.authority().to_owned();
    let after = destination.connect_timeout;
    let connecting = async {
        let failed = |source| Error::Connect { authority: authority(), source };
        let host = (destination.host.as_str(), destination.port);
        let found = net::lookup_host(host).await.map_err(failed)?;
        let addresses = within_reach(found, destination)?;
        open(destination, &addresses, tasks).await.map_err(failed)
    };
    let timeout = |_| Error::ConnectTimeout { authority: authority(), after };
    time::timeout(after, connecting).await.map_err(timeout)?
}

/// Those of the addresses that the destination may have. An error names the first one it may not.
fn within_reach(
    found: impl Iterator<Item = SocketAddr>,
    destination: &Destination,
) -> Result<Vec<SocketAddr>, Error> {
    let is_allowed = |it: &SocketAddr| destination.reach.allows(AddressKind::of(it.ip()));
    let (allowed, refused): (Vec<_>, Vec<_>) = found.partition(is_allowed);
    match refused.first() {
        Some(refused) if allowed.is_empty() => {
            let (address, authority) = (refused.ip(), destination.authority().to_owned());
            Err(Error::OutOfReach { authority, address, kind: AddressKind::of(address) })
        }
        _ => Ok(allowed),
    }
}

async fn open(
    destination: &Destination,
    addresses: &[SocketAddr],
    tasks: &TaskTracker,
) -> io::Result<Connected> {
    // The addresses that were looked at, and no name: it could mean another one by now.
    let socket = TcpStream::connect(addresses).await?;
    socket.set_nodelay(true)?; // a request is one write; waiting for more only delays it
    SockRef::from(&socket).set_tcp_keepalive(&KEEP_ALIVE)?;
    let (stream, is_http2) = match &destination.tls {
        None => (Stream::Plain(socket), destination.http2),
        Some((connector, server_name)) => {
            let stream = connector.connect(server_name.clone(), socket).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (Stream::Tls(Box::new(stream)), is_http2)
        }
    };
    if !is_http2 {
        return Ok(Connected::Http1(Box::new(Http1::new(stream))));
    }
    let handshake = http2::Builder::new(Tracked(tasks.clone())).handshake(TokioIo::new(stream));
    let (sender, driver) = handshake.await.map_err(io::Error::other)?;
    drive(driver, tasks);
    Ok(Connected::Http2(sender))
}

fn drive(driver: impl Future<Output = hyper::Result<()>> + Send + 'static, tasks: &TaskTracker) {
    let open = Open::new();
    tasks.spawn(async move {
        let _open = open;
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to a backend ended");
        }
    });
}

/// Counts a connection for as long as it is open.
pub(super) struct Open;

impl Open {
    pub(super) fn new() -> Self {
        metrics::gauge!("portcullis_pool_connections").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("portcullis_pool_connections").decrement(1.0);
    }
}

/// Lets hyper start the tasks of HTTP/2 streams where ours are counted.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
