//! A server for tests that answers as it is told, on a free port of the loopback interface.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;
use url::Url;

use super::{Client, Reach, Spec, Tls, Trust};

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Handler = dyn Fn(Request<Bytes>) -> Answering + Send + Sync;

/// A running server; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Server {
    pub(crate) async fn start<F>(
        handler: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::start_with(None, handler).await
    }

    pub(crate) async fn start_with<F>(
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Arc<Handler> = Arc::new(move |request| Box::pin(handler(request)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let (connections, stopped) = (Arc::new(AtomicUsize::new(0)), stop.clone());
        let counter = Arc::clone(&connections);
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Some(Ok((socket, _))) = stopped.run_until_cancelled(listener.accept()).await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (handler, tls, stopped) = (Arc::clone(&handler), tls.clone(), stopped.clone());
                tasks.spawn(async move {
                    match tls {
                        None => stopped.run_until_cancelled(serve(socket, handler)).await,
                        Some(config) => {
                            let acceptor = tokio_rustls::TlsAcceptor::from(config);
                            let Ok(stream) = acceptor.accept(socket).await else { return };
                            stopped.run_until_cancelled(serve(stream, handler)).await
                        }
                    }
                    .unwrap_or_default();
                });
            }
        });
        Self { address, connections, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/mcp", self.address)).unwrap()
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve<S>(stream: S, handler: Arc<Handler>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(handler(Request::from_parts(head, body)).await)
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// An answer with a body of one piece.
pub(crate) fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    if !content_type.is_empty() {
        answer.headers_mut().insert("content-type", content_type.parse().unwrap());
    }
    answer
}

pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
    answer(200, "application/json", body)
}

/// An event stream that says `text` and ends.
pub(crate) fn sse(text: impl Into<Bytes>) -> Answer {
    answer(200, "text/event-stream", text)
}

/// An event stream that is written to by the sender, and ends when it is dropped.
pub(crate) fn open_sse() -> (mpsc::Sender<String>, Answer) {
    let (sender, mut receiver) = mpsc::channel::<String>(16);
    let frames = futures_util::stream::poll_fn(move |cx| {
        receiver.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    });
    let mut answer = Response::new(BodyExt::boxed(StreamBody::new(frames)));
    answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    (sender, answer)
}

/// An answer whose body never ends.
pub(crate) fn endless() -> Answer {
    let frame = || Ok(Frame::data(Bytes::from_static(&[b' '; 16 << 10])));
    let frames = futures_util::stream::repeat_with(frame);
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

pub(crate) fn client() -> Client {
    Client::new(Arc::new(Trust::new(&[]).unwrap()), TaskTracker::new())
}

pub(crate) fn spec(url: Url) -> Spec {
    let connect_timeout = Duration::from_secs(5);
    let reach = Reach::Anywhere;
    Spec { url, http2: false, tls: Tls::default(), connect_timeout, reach }
}
