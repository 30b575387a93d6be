//! A small MCP server to try the gateway with, in the same binary: `portcullis demo-server`.

mod listener;
mod offer;
mod server;

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::server::Demo;

/// Serves on standard streams, or over streamable HTTP at `http` until SIGINT or SIGTERM.
///
/// # Errors
/// When the address is not a loopback one or cannot be bound, or the client breaks the protocol.
pub async fn run(http: Option<SocketAddr>) -> anyhow::Result<()> {
    let Some(address) = http else {
        return serve(rmcp::transport::io::stdio_pipes()).await;
    };
    ensure!(
        address.ip().is_loopback(),
        "the demo server asks nobody who they are: {address} is not a loopback address, use \
         127.0.0.1:{}",
        address.port()
    );
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = listener::serve(listener, shutdown.clone()) => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    Ok(())
}

/// Serves one client on two streams until it closes them.
async fn serve<R, W>(streams: (R, W)) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    // Boxed: what rmcp does to initialise takes 18 KiB.
    match Box::pin(Demo.serve(streams)).await {
        Ok(running) => running.waiting().await.map(drop).context("the demo server failed"),
        // Whoever only wants to see that it starts does no wrong.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(error).context("the client did not initialise the demo server"),
    }
}

#[cfg(test)]
mod tests;
