//! A reverse proxy that looks at nothing: what a call costs on its way to a backend if nobody thinks about it.
//!
//! The yardstick of every comparison, so it stays as it is: hyper with tokio's default runtime, hyper-util's
//! client with its pool, the system's allocator, headers and bodies passed on as they come.
//!
//! `plain-proxy --listen ADDRESS --backend ADDRESS` says on stdout where it listens.

use std::convert::Infallible;
use std::net::SocketAddr;

use clap::Parser;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; with port 0 at a port that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where every request goes
    #[arg(long)]
    backend: SocketAddr,
}

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let backend: Authority = args.backend.to_string().parse()?;
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (client, backend) = (client.clone(), backend.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection ends with its client or with us"
        )]
        tokio::spawn(async move {
            let service = service_fn(|request| pass(&client, &backend, request));
            // A client that goes away is not an error.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn pass(
    client: &Client<HttpConnector, Incoming>,
    backend: &Authority,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(backend.clone());
    *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and a path");
    let answer = client.request(request).await;
    Ok(answer.map_or_else(|_| unreachable_backend(), |answer| answer.map(Either::Left)))
}

fn unreachable_backend() -> Answer {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
