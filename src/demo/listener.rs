//! The demo server over streamable HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::server::Demo;

/// How long to wait when no connection can be accepted (no file descriptors are left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Mcp = StreamableHttpService<Demo, LocalSessionManager>;

/// Serves at `/mcp` until `shutdown`; dropped, it closes all connections.
pub(super) async fn serve(listener: TcpListener, shutdown: CancellationToken) {
    // Hosts are loopback names by default; a web page's origin has to be one, too.
    let origins = ["localhost", "127.0.0.1", "[::1]"]
        .into_iter()
        .flat_map(|host| ["http", "https"].map(|scheme| format!("{scheme}://{host}:*")));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(origins)
        .with_cancellation_token(shutdown.clone());
    let mcp = StreamableHttpService::new(|| Ok(Demo), Arc::default(), config);
    let mut connections = JoinSet::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => {
                connections.spawn(connection(socket, mcp.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(socket: TcpStream, mcp: Mcp) {
    socket.set_nodelay(true).ok();
    let service = service_fn(move |request| route(request, mcp.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the demo server ended");
    }
}

async fn route(
    request: Request<Incoming>,
    mcp: Mcp,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    if request.uri().path() == "/mcp" {
        return Ok(mcp.handle(request).await);
    }
    let mut response = Response::new(Full::new(Bytes::from("the endpoint is /mcp\n")).boxed());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
