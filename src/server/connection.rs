//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, Either};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use super::head_timer::HeadTimer;
use super::tls::{Acceptor, Secured, handshake};
use super::{BoxError, Peer};

/// How long a client may take to its first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a later request's head may take. hyper counts the idle time before it as well, and
/// clients keep idle connections for a minute and more, so this is longer than the first.
const NEXT_REQUEST_TIMEOUT: Duration = Duration::from_secs(100);
/// All headers of a request together; more is 431. So are more lines than 100, hyper's own limit: to
/// set it would have hyper fill two lists for each request.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
const MAX_HTTP2_STREAMS: u32 = 256;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A response's body as a connection can send it.
pub trait ResponseBody:
    http_body::Body<Data = Bytes, Error: Into<BoxError>> + Default + Send + 'static
{
}

impl<B> ResponseBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Default + Send + 'static
{
}

/// A Tower service that answers every request.
pub trait HttpService:
    Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses; the default one is empty.
    type Body: ResponseBody;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: ResponseBody,
{
    type Body = B;
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
    let first_request = Instant::now() + FIRST_REQUEST_TIMEOUT;
    let Some(tls) = tls else {
        return drive(socket, Peer::plain(peer), service, tasks, stages, first_request).await;
    };
    let secured = {
        let handshake = pin!(handshake(socket, &tls));
        // Nobody has asked for anything yet, so there is nothing to finish.
        stages.draining.run_until_cancelled(handshake).await
    };
    match secured {
        None => End::Closed,
        Some(Ok(Secured { stream, certificate })) => {
            let peer = Peer::tls(peer, certificate);
            drive(stream, peer, service, tasks, stages, first_request).await
        }
        Some(Err(refused)) => {
            let error = anyhow::Error::from(refused);
            tracing::debug!(%peer, error = format_args!("{error:#}"), "connection ended");
            End::Closed
        }
    }
}

async fn drive<S: HttpService>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    service: S,
    tasks: TaskTracker,
    stages: Stages,
    first_request: Instant,
) -> End {
    let address = peer.address();
    let begun = Arc::new(AtomicBool::new(false));
    let service = Connection { inner: RefCell::new(service), peer, begun: begun.clone() };
    let builder = builder(tasks);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
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
                    tracing::debug!(peer = %address, %error, "connection ended");
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

fn builder(tasks: TaskTracker) -> auto::Builder<Tracked> {
    let mut builder = auto::Builder::new(Tracked(tasks));
    builder
        .http1()
        .timer(HeadTimer::new(NEXT_REQUEST_TIMEOUT))
        .header_read_timeout(NEXT_REQUEST_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES as usize)
        .pipeline_flush(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_HTTP2_STREAMS);
    builder
}

/// Runs the streams of HTTP/2 connections as tasks that somebody waits for.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// The service as hyper calls it.
struct Connection<S> {
    /// One for all requests of the connection: to clone it for each would write to what workers
    /// share.
    inner: RefCell<S>,
    peer: Peer,
    begun: Arc<AtomicBool>,
}

/// What the service answers, at once or when it is ready.
type Answer<S> =
    Either<<S as Service<Request<Incoming>>>::Future, Pin<Box<Oneshot<S, Request<Incoming>>>>>;

impl<S: HttpService> Connection<S> {
    fn answer(&self, req: Request<Incoming>) -> Answer<S> {
        let mut inner = self.inner.borrow_mut();
        match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Either::Left(inner.call(req)),
            Poll::Ready(Err(never)) => match never {},
            // Rare: our layers refuse rather than let anybody wait. The clone is who waits.
            Poll::Pending => Either::Right(Box::pin(inner.clone().oneshot(req))),
        }
    }
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Connection<S> {
    type Response = Response<S::Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S>;

    fn call(&self, mut req: Request<Incoming>) -> Self::Future {
        self.begun.store(true, Ordering::Relaxed);
        req.extensions_mut().insert(self.peer.clone());
        // What a half-done request leaves behind is dropped; what is shared is behind locks that
        // tell of a panic, or atomics.
        let answer = panic::catch_unwind(AssertUnwindSafe(|| self.answer(req))).ok();
        ResponseFuture { inner: answer.map(|answer| AssertUnwindSafe(answer).catch_unwind()) }
    }
}

pin_project! {
    /// The response, or 500 if the handler panicked: that costs one request and not the connection.
    struct ResponseFuture<S: HttpService> {
        #[pin]
        inner: Option<CatchUnwind<AssertUnwindSafe<Answer<S>>>>,
    }
}

impl<S: HttpService> Future for ResponseFuture<S> {
    type Output = Result<Response<S::Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match self.project().inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll(cx)).ok(),
            None => None,
        };
        // The panic hook has logged it.
        Poll::Ready(answer.unwrap_or_else(|| {
            let mut response = Response::new(S::Body::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::super::Body;
    use super::*;

    /// What a client receives that sends this and then nothing, until it is hung up on.
    async fn received(service: impl HttpService, said: &[u8]) -> String {
        let stages = Stages { draining: CancellationToken::new(), abort: CancellationToken::new() };
        let (mut client, io) = tokio::io::duplex(1024);
        let peer = Peer::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let client = async move {
            client.write_all(said).await.unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            String::from_utf8_lossy(&received).into_owned()
        };
        let first_request = Instant::now() + FIRST_REQUEST_TIMEOUT;
        let driven = drive(io, peer, service, TaskTracker::new(), stages, first_request);
        let (end, received) = tokio::join!(driven, client);
        assert_eq!(end, End::Closed);
        received
    }

    /// How long it is until then.
    async fn borne(said: &[u8]) -> Duration {
        let service =
            tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::Empty)) });
        let since = Instant::now();
        received(service, said).await;
        since.elapsed()
    }

    /// Ready when it is asked a second time.
    #[derive(Default)]
    struct Slow {
        is_ready: bool,
    }

    impl Clone for Slow {
        fn clone(&self) -> Self {
            Self::default()
        }
    }

    impl Service<Request<Incoming>> for Slow {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.is_ready {
                return Poll::Ready(Ok(()));
            }
            self.is_ready = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, _: Request<Incoming>) -> Self::Future {
            assert!(std::mem::take(&mut self.is_ready));
            std::future::ready(Ok(Response::new(Body::Empty)))
        }
    }

    #[tokio::test]
    async fn a_request_waits_for_a_service_that_is_not_ready() {
        let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let received = received(Slow::default(), format!("{request}{last}").as_bytes()).await;
        assert_eq!(received.matches("HTTP/1.1 200 OK").count(), 2, "{received}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_get_to_a_first_request_is_hung_up_on() {
        for said in
            ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        {
            let borne = borne(said.as_bytes()).await;
            assert_eq!(borne.as_secs(), FIRST_REQUEST_TIMEOUT.as_secs(), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_idle_longer_between_requests() {
        let borne = borne(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(borne.as_secs(), NEXT_REQUEST_TIMEOUT.as_secs());
    }
}
