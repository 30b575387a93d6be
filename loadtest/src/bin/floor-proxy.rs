//! The floor: the plain proxy on the gateway's own runtime, client and allocator.
//!
//! What the gateway costs above this is what it thinks; what this costs beside the plain proxy is what it stands on. It reads
//! a request before sending it, as the gateway does, and passes on the response as it comes.
//!
//! `floor-proxy --listen ADDRESS --backend ADDRESS` says on stdout where it listens.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http::header::HOST;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use portcullis::outbound::{Client, Destination, Head, Reach, Spec, Tls, Trust};
use portcullis::server::{Body, Listeners, Options, Shutdown, serve};
use tokio_util::task::TaskTracker;
use tower::service_fn;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; with port 0 at a port that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where every request goes
    #[arg(long)]
    backend: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let trust = Arc::new(Trust::new(&[])?);
    let spec = Spec {
        url: format!("http://{}", args.backend).parse()?,
        http2: false,
        tls: Tls::default(),
        connect_timeout: Duration::from_secs(5),
        reach: Reach::Anywhere,
    };
    let destination = Client::new(Arc::clone(&trust), TaskTracker::new()).destination(spec).await?;
    let listeners = Listeners::bind(&args.listen.ip().to_string(), args.listen.port())?;
    println!("listening on {}", listeners.addresses()[0]);
    // It ends by being killed.
    serve(listeners, Options::default(), &Shutdown::new(), move |worker| {
        let client = Client::new(Arc::clone(&trust), worker.tasks().clone());
        let destination = Arc::clone(&destination);
        service_fn(move |request| {
            let (client, destination) = (client.clone(), Arc::clone(&destination));
            async move {
                let answer = pass(&client, &destination, request).await;
                Ok::<_, Infallible>(answer.unwrap_or_else(|| {
                    let mut answer = Response::new(Body::Empty);
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    answer
                }))
            }
        })
    })
    .await?;
    Ok(())
}

async fn pass(
    client: &Client,
    destination: &Destination,
    request: Request<Incoming>,
) -> Option<Response<Body>> {
    let (mut head, body) = request.into_parts();
    head.headers.insert(HOST, destination.host_header().clone());
    let body = body.collect().await.ok()?.to_bytes();
    let head = Head::new(head.method, &head.uri, head.headers);
    let answer = client.send(destination, &head, body).await.ok()?;
    Some(answer.map(|body| Body::stream(body.map_err(Into::into))))
}
