//! Taking connections from listening sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time;

/// How long to wait when the process has no file descriptor left: others have to close first.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// The next connection of a listener. Failures that concern one connection, or that pass, are
/// waited out: a listener never gives up.
///
/// # Cancel safety
/// No accepted connection is lost when the future is dropped.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
