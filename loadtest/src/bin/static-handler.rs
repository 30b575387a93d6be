//! A hyper handler that answers every request with the same bytes: the least that a list from memory can cost.
//!
//! `static-handler --body FILE [--listen ADDRESS]` says on stdout where it listens. Only a notification is not answered
//! but accepted, as MCP wants it, so that a client can have a session with it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOTIFICATION: &[u8] = b"\"notifications/";

#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; with port 0 at a port that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What every request is answered with, as application/json
    #[arg(long)]
    body: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let body = std::fs::read(&args.body).with_context(|| args.body.display().to_string())?;
    let body = Bytes::from(body);
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let body = body.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection ends with its client or with us"
        )]
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, body.clone()));
            // A client that goes away is not an error.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let request = request.into_body().collect().await?.to_bytes();
    let is_notification = request.windows(NOTIFICATION.len()).any(|window| window == NOTIFICATION);
    let mut answer = Response::new(Full::new(if is_notification { Bytes::new() } else { body }));
    if is_notification {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(answer)
}
