use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};
use std::task::Context;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::protocols::NEXT_REQUEST_TIMEOUT;
use super::*;
use crate::server::BoxError;

fn stages() -> Stages {
    Stages { draining: CancellationToken::new(), abort: CancellationToken::new() }
}

fn exchange<S>(service: S, stages: Stages) -> Exchange<S> {
    Exchange { service, stages, first_request: Instant::now() + FIRST_REQUEST_TIMEOUT }
}

fn client() -> Peer {
    Peer::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
}

/// What a client receives that sends this and then nothing, until it is hung up on.
async fn received(service: impl HttpService, said: &[u8]) -> String {
    let (mut socket, io) = tokio::io::duplex(1024);
    let receiving = async move {
        socket.write_all(said).await.unwrap();
        let mut received = Vec::new();
        socket.read_to_end(&mut received).await.unwrap();
        String::from_utf8_lossy(&received).into_owned()
    };
    let exchange = exchange(service, stages());
    let served = async {
        let next = if said.starts_with(b"GET") {
            exchange.http1(io, client()).await
        } else {
            exchange.either(io, client(), TaskTracker::new()).await
        };
        match next {
            Next::End(end) => end,
            Next::Stream(stream) => stream.await,
        }
    };
    let (end, received) = tokio::join!(served, receiving);
    assert_eq!(end, End::Closed);
    received
}

/// How long it is until then.
async fn borne(said: &[u8]) -> Duration {
    let service = tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::Empty)) });
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

/// Where a service that answers with a lasting stream takes its frames from.
struct Source {
    frames: mpsc::Sender<Bytes>,
    service: Weak<Mutex<Option<mpsc::Receiver<Bytes>>>>,
}

/// Such a service, and both ends of a connection to it with room for `room` bytes on the way.
fn listen(
    room: usize,
    stages: Stages,
) -> (Source, DuplexStream, DuplexStream, Exchange<impl HttpService>) {
    let (frames, queue) = mpsc::channel(8);
    let queue = Arc::new(Mutex::new(Some(queue)));
    let source = Source { frames, service: Arc::downgrade(&queue) };
    let service = tower::service_fn(move |_| {
        let queue = queue.lock().take().expect("the stream is the last response");
        let frames = stream::unfold(queue, |mut queue| async {
            queue.recv().await.map(|frame| (frame, queue))
        });
        let body = StreamBody::new(frames.map(|frame| Ok::<_, BoxError>(Frame::data(frame))));
        let mut response = Response::new(Body::stream(body));
        response.extensions_mut().insert(Lasting);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let (socket, io) = tokio::io::duplex(room);
    (source, socket, io, exchange(service, stages))
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn stream_of(next: impl Future<Output = Next>) -> Pin<Box<dyn Future<Output = End> + Send>> {
    match next.await {
        Next::Stream(stream) => stream,
        Next::End(end) => panic!("{end:?}"),
    }
}

#[tokio::test]
async fn of_a_response_that_lasts_the_body_and_the_socket_are_kept() {
    let (source, mut socket, io, exchange) = listen(1024, stages());
    // Whoever is told that a response is the last one may have asked for more before.
    socket.write_all(&[GET, GET].concat()).await.unwrap();
    let stream = stream_of(exchange.http1(io, client())).await;
    assert_eq!(source.service.strong_count(), 0);
    source.frames.send(Bytes::from("frame")).await.unwrap();
    drop(source);
    let mut received = String::new();
    let (end, read) = tokio::join!(stream, socket.read_to_string(&mut received));
    read.unwrap();
    assert_eq!(end, End::Closed);
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in ["transfer-encoding: chunked", "connection: close", "date: "] {
        assert!(head.contains(&format!("\r\n{header}")), "{head}");
    }
    assert_eq!(body, "5\r\nframe\r\n0\r\n\r\n");
}

#[tokio::test]
async fn it_is_kept_only_when_its_head_has_been_sent() {
    let (source, mut socket, io, exchange) = listen(64, stages());
    socket.write_all(GET).await.unwrap();
    let mut next = Box::pin(exchange.http1(io, client()));
    assert!((&mut next).now_or_never().is_none(), "the client has not read");
    assert_eq!(source.service.strong_count(), 1);
    let mut received = Vec::new();
    let reading = async {
        while !received.ends_with(b"\r\n\r\n") {
            received.push(socket.read_u8().await.unwrap());
        }
    };
    let (stream, ()) = tokio::join!(stream_of(next), reading);
    assert_eq!(source.service.strong_count(), 0);
    drop((source, socket));
    assert_eq!(stream.await, End::Closed);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream() {
    let (source, mut socket, io, exchange) = listen(1024, stages());
    socket.write_all(GET).await.unwrap();
    let stream = stream_of(exchange.http1(io, client())).await;
    drop(socket);
    assert_eq!(stream.await, End::Closed);
    assert!(source.frames.is_closed());
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut() {
    let stages = stages();
    let (source, mut socket, io, exchange) = listen(1024, stages.clone());
    socket.write_all(GET).await.unwrap();
    let mut stream = stream_of(exchange.http1(io, client())).await;
    stages.draining.cancel();
    assert!((&mut stream).now_or_never().is_none(), "it ends by itself, or later");
    stages.abort.cancel();
    assert_eq!(stream.await, End::Cut);
    assert!(source.frames.is_closed());
}

#[tokio::test]
async fn hyper_sends_what_is_not_asked_for_with_get_over_http1_1_alone() {
    let post = b"POST / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (name, is_http1, request) in [
        ("HTTP/1.0", true, &b"GET / HTTP/1.0\r\n\r\n"[..]),
        ("POST", true, post),
        ("maybe HTTP/2", false, GET),
    ] {
        let (source, mut socket, io, exchange) = listen(1024, stages());
        socket.write_all(request).await.unwrap();
        source.frames.send(Bytes::from("frame")).await.unwrap();
        let served = async {
            if is_http1 {
                exchange.http1(io, client()).await
            } else {
                exchange.either(io, client(), TaskTracker::new()).await
            }
        };
        let reading = async {
            let mut received = Vec::new();
            while !received.ends_with(b"frame") {
                received.push(socket.read_u8().await.unwrap());
            }
            drop(socket);
        };
        let (next, ()) = tokio::join!(served, reading);
        assert!(matches!(next, Next::End(End::Closed)), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_http2_any_more_is_http1() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for (said, expected) in [
        ("G", true),
        ("\r\n", true),
        ("POST / HTTP/1.1\r\n\r\n", true),
        ("PRI * HTTP/1.1\r\n\r\n", true),
        ("P", false),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand a frame", false),
    ] {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        client.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(is_http1(&socket).await.unwrap(), expected, "{said:?}");
    }
}
