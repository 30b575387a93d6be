use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::*;

type Future = Pin<Box<dyn std::future::Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Answers `/`, panics at `/panic` while it answers and at `/panic-at-once` before, and at `/wait`
/// waits for a permit.
#[derive(Clone)]
struct Sample {
    worker: usize,
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Service<Request<Incoming>> for Sample {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Future;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<Incoming>) -> Future {
        assert_ne!(req.uri().path(), "/panic-at-once", "as asked");
        let this = self.clone();
        Box::pin(async move {
            match req.uri().path() {
                "/panic" => panic!("as asked"),
                "/wait" => {
                    this.arrived.add_permits(1);
                    this.released.acquire().await.unwrap().forget();
                }
                _ => {}
            }
            assert!(req.extensions().get::<Peer>().unwrap().address().ip().is_loopback());
            Ok(Response::new(Body::from(this.worker.to_string())))
        })
    }
}

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
    server: JoinSet<Drained>,
}

impl Running {
    fn start(workers: usize, drain: Duration) -> Self {
        let listeners = Listeners::bind("127.0.0.1", 0).unwrap();
        let address = listeners.addresses()[0];
        let shutdown = Shutdown::new();
        let (arrived, released) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let sample = Sample { worker: 0, arrived: arrived.clone(), released: released.clone() };
        let options =
            Options { workers: NonZeroUsize::new(workers).unwrap(), drain, ..Options::default() };
        let mut server = JoinSet::new();
        let its_shutdown = shutdown.clone();
        server.spawn(async move {
            let factory =
                move |worker: &Worker| Sample { worker: worker.index(), ..sample.clone() };
            serve(listeners, options, &its_shutdown, factory).await.unwrap()
        });
        Self { address, shutdown, arrived, released, server }
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    async fn ended(mut self) -> Drained {
        self.server.join_next().await.unwrap().unwrap()
    }
}

fn get(path: &str) -> Request<Empty<bytes::Bytes>> {
    Request::get(path).header("host", "localhost").body(Empty::new()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn http1(
    socket: TcpStream,
    tasks: &mut JoinSet<()>,
) -> http1::SendRequest<Empty<bytes::Bytes>> {
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    tasks.spawn(async move { drop(connection.await) });
    sender
}

#[tokio::test]
async fn a_panic_costs_one_request_and_not_the_connection() {
    let (running, mut tasks) = (Running::start(1, Duration::from_secs(30)), JoinSet::new());
    let mut client = http1(running.socket().await, &mut tasks).await;
    for path in ["/panic", "/panic-at-once"] {
        assert_eq!(client.send_request(get(path)).await.unwrap().status(), 500, "{path}");
        client.ready().await.unwrap();
        assert_eq!(client.send_request(get("/")).await.unwrap().status(), 200, "{path}");
        client.ready().await.unwrap();
    }
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let (running, mut tasks) = (Running::start(2, Duration::from_secs(30)), JoinSet::new());
    let mut workers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = http1(running.socket().await, &mut tasks).await;
        workers.push(text(client.send_request(get("/")).await.unwrap()).await);
        clients.push(client);
    }
    workers.sort_unstable();
    assert_eq!(workers, ["0", "0", "1", "1"]);
}

#[tokio::test]
async fn http2_without_tls_is_served_on_the_same_port() {
    let (running, mut tasks) = (Running::start(1, Duration::from_secs(30)), JoinSet::new());
    let io = TokioIo::new(running.socket().await);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tasks.spawn(async move { drop(connection.await) });
    let request = |path: &str| {
        Request::get(format!("http://localhost{path}")).body(Empty::<bytes::Bytes>::new()).unwrap()
    };
    let waiting = client.send_request(request("/wait"));
    assert_eq!(client.send_request(request("/panic")).await.unwrap().status(), 500);
    running.shutdown.drain();
    running.released.add_permits(1);
    assert_eq!(text(waiting.await.unwrap()).await, "0");
    assert_eq!(running.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_lets_calls_finish_and_takes_nobody_new() {
    let (running, mut tasks) = (Running::start(2, Duration::from_secs(30)), JoinSet::new());
    let mut client = http1(running.socket().await, &mut tasks).await;
    let idle = running.socket().await;
    let response = client.send_request(get("/wait"));
    tasks.spawn({
        let (arrived, released) = (running.arrived.clone(), running.released.clone());
        let (shutdown, address) = (running.shutdown.clone(), running.address);
        async move {
            arrived.acquire().await.unwrap().forget();
            shutdown.drain();
            // Refused once the listener is gone; before that, the connection is closed unanswered.
            while let Ok(mut late) = TcpStream::connect(address).await {
                let _ = late.read(&mut [0; 1]).await;
            }
            released.add_permits(1);
        }
    });
    assert_eq!(text(response.await.unwrap()).await.len(), 1);
    // With the client still there, only the server can have ended the connection.
    while tasks.join_next().await.is_some() {}
    drop(client);
    assert_eq!(running.ended().await, Drained { cut: 0 });
    drop(idle);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let (running, mut tasks) = (Running::start(1, Duration::ZERO), JoinSet::new());
    let mut client = http1(running.socket().await, &mut tasks).await;
    let response = client.send_request(get("/wait"));
    let drain = async {
        running.arrival().await;
        running.shutdown.drain();
        running.shutdown.stopping().cancelled().await;
    };
    let (response, ()) = tokio::join!(response, drain);
    assert!(response.is_err());
    assert_eq!(running.ended().await, Drained { cut: 1 });
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_nothing_behind() {
    let (mut running, mut tasks) = (Running::start(1, Duration::from_secs(30)), JoinSet::new());
    let mut client = http1(running.socket().await, &mut tasks).await;
    let response = client.send_request(get("/wait"));
    let (arrived, server) = (running.arrived.clone(), &mut running.server);
    let drop_server = async {
        arrived.acquire().await.unwrap().forget();
        server.shutdown().await;
    };
    let (response, ()) = tokio::join!(response, drop_server);
    assert!(response.is_err());
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let running = Running::start(1, Duration::from_secs(30));
    // With `Host` these are 100 lines, 101 and 201.
    for (head, status_line) in [
        ("x: y\r\n".repeat(99), b"HTTP/1.1 200"),
        ("x: y\r\n".repeat(100), b"HTTP/1.1 431"),
        ("x: y\r\n".repeat(200), b"HTTP/1.1 431"),
        (format!("x: {}\r\n", "y".repeat(100_000)), b"HTTP/1.1 431"),
    ] {
        let mut socket = running.socket().await;
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{head}\r\n");
        // The server may close before it has read everything.
        let _ = socket.write_all(request.as_bytes()).await;
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, status_line);
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_built_is_an_error() {
    let listeners = Listeners::bind("127.0.0.1", 0).unwrap();
    let factory = |_: &Worker| -> Sample { panic!("as asked") };
    let served = serve(listeners, Options::default(), &Shutdown::new(), factory).await;
    assert!(served.unwrap_err().to_string().contains("worker 0"));
}

#[tokio::test]
async fn a_simple_service_runs_until_it_is_stopped() {
    let listeners = Listeners::bind("127.0.0.1", 0).unwrap();
    let address = listeners.addresses()[0];
    let stop = CancellationToken::new();
    let service =
        tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::from("x"))) });
    let mut tasks = JoinSet::new();
    let its_stop = stop.clone();
    let client = async {
        let mut client = http1(TcpStream::connect(address).await.unwrap(), &mut tasks).await;
        assert_eq!(text(client.send_request(get("/")).await.unwrap()).await, "x");
        stop.cancel();
    };
    tokio::join!(serve_simple(listeners, service, its_stop), client);
}
