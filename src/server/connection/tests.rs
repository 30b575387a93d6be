use std::net::Ipv4Addr;
use std::task::Context;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::protocols::NEXT_REQUEST_TIMEOUT;
use super::*;

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
        if said.starts_with(b"GET") {
            exchange.http1(io, client()).await
        } else {
            exchange.either(io, client(), TaskTracker::new()).await
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
