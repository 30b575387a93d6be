//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks.

mod answer;
mod progress;
mod protocols;
mod stream;

use std::convert::Infallible;
use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
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
use progress::{Progress, Watched};
use stream::Streaming;

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

/// In a response's extensions: it lasts for long, mostly silent. Over HTTP/1.1 it is the last one of
/// its connection then, of which nothing but the socket and the body is kept.
#[derive(Clone, Copy, Debug)]
pub struct Lasting;

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

/// How a connection goes on after requests and responses.
enum Next {
    End(End),
    /// It only sends the rest of the last response.
    Stream(Pin<Box<dyn Future<Output = End> + Send>>),
}

/// Serves the requests of one connection until it ends. Streams of HTTP/2 run in `tasks`.
pub(super) fn serve<S: HttpService>(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Acceptor>,
    service: S,
    tasks: TaskTracker,
    stages: Stages,
) -> impl Future<Output = End> + Send {
    // Boxed, as a stream that is open for hours needs none of it.
    let exchange = Box::pin(exchange(socket, peer, tls, service, tasks, stages));
    async move {
        let next = exchange.await;
        match next {
            Next::End(end) => end,
            Next::Stream(stream) => stream.await,
        }
    }
}

async fn exchange<S: HttpService>(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Acceptor>,
    service: S,
    tasks: TaskTracker,
    stages: Stages,
) -> Next {
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
            _ => Next::End(End::Closed),
        };
    };
    let secured = draining.run_until_cancelled(Box::pin(handshake(socket, &tls))).await;
    match secured {
        None => Next::End(End::Closed),
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
            Next::End(End::Closed)
        }
    }
}

/// Whether a connection begins as one with HTTP/2 does not. While it may be either, it is not.
async fn is_http1(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    let length = socket.peek(&mut first).await?;
    Ok(first[..length] != HTTP2_PREFACE[..length])
}

/// Requests and responses, as long as hyper has to do with them.
struct Exchange<S> {
    service: S,
    stages: Stages,
    /// When a client has to have asked for something.
    first_request: Instant,
}

impl<S: HttpService> Exchange<S> {
    /// With a client that speaks HTTP/1.1.
    async fn http1<T>(self, io: T, peer: Peer) -> Next
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (address, progress) = (peer.address(), Progress::new());
        let io = TokioIo::new(Watched { io, progress: progress.clone() });
        let service = Answering::new(self.service, peer, progress.clone()).handing_over();
        let mut connection = protocols::http1().serve_connection(io, service);
        let driven =
            drive(Pin::new(&mut connection), address, &progress, &self.stages, self.first_request);
        if let Some(end) = driven.await {
            return Next::End(end);
        }
        let Watched { io, .. } = connection.into_parts().io.into_inner();
        let body = progress.take().expect("what is due has been put there");
        Next::Stream(Box::pin(stream(io, body, address, self.stages.abort)))
    }

    /// With one of which hyper has to find out what it speaks.
    async fn either<T>(self, io: T, peer: Peer, tasks: TaskTracker) -> Next
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (address, progress) = (peer.address(), Progress::new());
        let service = Answering::new(self.service, peer, progress.clone());
        let builder = protocols::either(tasks);
        let connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        let driven = drive(connection, address, &progress, &self.stages, self.first_request);
        Next::End(driven.await.unwrap_or(End::Closed))
    }
}

/// Drives a connection until it ends; `None` if hyper has nothing left to do.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    peer: SocketAddr,
    progress: &Progress,
    stages: &Stages,
    first_request: Instant,
) -> Option<End>
where
    C: GracefulConnection<Error: Display>,
{
    let mut patience = pin!(time::sleep_until(first_request));
    // Not polled any more once a request is there: it would be at every wake-up.
    let mut is_silent = pin!(poll_fn(|cx| {
        if progress.has_begun() { Poll::Pending } else { patience.as_mut().poll(cx) }
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
            step = poll_fn(|cx| match connection.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if progress.is_due() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }) => {
                if let Err(error) = step? {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return Some(End::Closed);
            }
            () = stages.abort.cancelled(), if told => return Some(End::Cut),
            () = &mut is_silent => return Some(End::Closed),
        }
    }
}

/// Sends the rest of a response that lasts. It notices by itself that we drain.
async fn stream<T>(io: T, body: Body, peer: SocketAddr, abort: CancellationToken) -> End
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        result = Streaming::new(io, body) => {
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "connection ended");
            }
            End::Closed
        }
        () = notice(&abort) => End::Cut,
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
