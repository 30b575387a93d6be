//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks.

mod answer;
mod protocols;

use std::convert::Infallible;
use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::tls::{Acceptor, Secured, handshake};
use super::{Body, Peer};
use answer::Answering;

/// How every connection with HTTP/2 begins (RFC 9113 §3.4), and none with HTTP/1.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take to its first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A Tower service that answers every request.
pub trait HttpService:
    Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
}

impl<S> HttpService for S where
    S: Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// What a connection notices of the process's end.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    /// Finish what is under way and take nothing new.
    pub(super) draining: CancellationToken,
    /// Drop the connection.
    pub(super) abort: CancellationToken,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Client and server were done, or one of them left.
    Closed,
    /// We dropped it with work under way.
    Cut,
}

/// Serves the requests of one connection until it ends. Streams of HTTP/2 run in `tasks`.
pub(super) async fn serve<S: HttpService>(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Acceptor>,
    service: S,
    tasks: TaskTracker,
    stages: Stages,
) -> End {
    // Events are small and must not wait for each other.
    let _ = socket.set_nodelay(true);
    let exchange =
        Exchange { service, stages, first_request: Instant::now() + FIRST_REQUEST_TIMEOUT };
    // Until a client has asked for something, there is nothing to finish.
    let draining = &exchange.stages.draining;
    let Some(tls) = tls else {
        let peer = Peer::plain(peer);
        let begun = {
            let begun = time::timeout_at(exchange.first_request, is_http1(&socket));
            draining.run_until_cancelled(pin!(begun)).await
        };
        return match begun {
            Some(Ok(Ok(true))) => exchange.http1(socket, peer).await,
            // Boxed, as most connections need no room for it.
            Some(Ok(Ok(false))) => Box::pin(exchange.either(socket, peer, tasks)).await,
            _ => End::Closed,
        };
    };
    let secured = draining.run_until_cancelled(Box::pin(handshake(socket, &tls))).await;
    match secured {
        None => End::Closed,
        Some(Ok(Secured { stream, certificate })) => {
            let peer = Peer::tls(peer, certificate);
            match stream.get_ref().1.alpn_protocol() {
                Some(b"http/1.1") => exchange.http1(stream, peer).await,
                _ => Box::pin(exchange.either(stream, peer, tasks)).await,
            }
        }
        Some(Err(refused)) => {
            let error = anyhow::Error::from(refused);
            tracing::debug!(%peer, error = format_args!("{error:#}"), "connection ended");
            End::Closed
        }
    }
}

/// Whether a connection begins as one with HTTP/2 does not. While it may be either, it is not.
async fn is_http1(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    let length = socket.peek(&mut first).await?;
    Ok(first[..length] != HTTP2_PREFACE[..length])
}

/// Requests and responses.
struct Exchange<S> {
    service: S,
    stages: Stages,
    /// When a client has to have asked for something.
    first_request: Instant,
}

impl<S: HttpService> Exchange<S> {
    /// With a client that speaks HTTP/1.1.
    async fn http1<T>(self, io: T, peer: Peer) -> End
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (address, begun) = (peer.address(), Arc::default());
        let service = Answering::new(self.service, peer, Arc::clone(&begun));
        let connection = protocols::http1().serve_connection(TokioIo::new(io), service);
        drive(pin!(connection), address, &begun, &self.stages, self.first_request).await
    }

    /// With one of which hyper has to find out what it speaks.
    async fn either<T>(self, io: T, peer: Peer, tasks: TaskTracker) -> End
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (address, begun) = (peer.address(), Arc::default());
        let service = Answering::new(self.service, peer, Arc::clone(&begun));
        let builder = protocols::either(tasks);
        let connection = builder.serve_connection(TokioIo::new(io), service);
        drive(pin!(connection), address, &begun, &self.stages, self.first_request).await
    }
}

/// Drives a connection until it ends.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    peer: SocketAddr,
    begun: &AtomicBool,
    stages: &Stages,
    first_request: Instant,
) -> End
where
    C: GracefulConnection<Error: Display>,
{
    let mut patience = pin!(time::sleep_until(first_request));
    // Not polled any more once a request is there: it would be at every wake-up.
    let mut is_silent = pin!(poll_fn(|cx| {
        if begun.load(Ordering::Relaxed) { Poll::Pending } else { patience.as_mut().poll(cx) }
    }));
    let mut draining = pin!(notice(&stages.draining));
    let mut told = false;
    // Once it drains, `draining` is not polled any more and `abort` is, so each wake-up looks at one.
    loop {
        tokio::select! {
            biased; // a response that is ready now already says `Connection: close`
            () = &mut draining, if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return End::Closed;
            }
            () = stages.abort.cancelled(), if told => return End::Cut,
            () = &mut is_silent => return End::Closed,
        }
    }
}

/// Waits for a token, as a task does that is woken all the time for other reasons: once it is on the
/// token's list it only looks, which costs a quarter of being put there again.
async fn notice(token: &CancellationToken) {
    let mut cancelled = pin!(token.cancelled());
    let mut listed: Option<Waker> = None;
    poll_fn(|cx| {
        let is_listed = listed.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_listed && !token.is_cancelled() {
            return Poll::Pending;
        }
        listed = Some(cx.waker().clone());
        cancelled.as_mut().poll(cx)
    })
    .await;
}

#[cfg(test)]
mod tests;
