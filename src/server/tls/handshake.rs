//! From a socket to a secured connection.

use std::io;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::server::TlsStream;

use super::Acceptor;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client that speaks plain HTTP has to take its answer.
const HINT_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of its request is read, so that the answer is not lost in a reset.
const HINT_BYTES: u64 = 64 * 1024;

const HINT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 65\r\n\
    connection: close\r\n\
    \r\n\
    This port speaks TLS; begin the URL with https:// and try again.\n";

/// A connection that nobody else can read.
pub(in crate::server) struct Secured {
    pub(in crate::server) stream: Box<TlsStream<TcpStream>>,
    /// The client's certificate, if it had to show one: it is verified.
    pub(in crate::server) certificate: Option<CertificateDer<'static>>,
}

/// Why a connection is not secured.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum Refused {
    /// The client speaks HTTP without TLS, and has been told.
    #[error("the client speaks HTTP without TLS")]
    Plain,
    /// It took too long.
    #[error("the TLS handshake took longer than {HANDSHAKE_TIMEOUT:?}")]
    Slow,
    /// It failed, or the client left.
    #[error("the TLS handshake failed")]
    Failed(#[from] io::Error),
}

/// Secures the connection of `socket`.
pub(in crate::server) async fn handshake(
    socket: TcpStream,
    acceptor: &Acceptor,
) -> Result<Secured, Refused> {
    time::timeout(HANDSHAKE_TIMEOUT, secure(socket, acceptor)).await.map_err(|_| Refused::Slow)?
}

async fn secure(socket: TcpStream, acceptor: &Acceptor) -> Result<Secured, Refused> {
    let mut first = [0];
    // A method begins with a letter, and no TLS record does (RFC 8446 §5.1).
    if socket.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
        let _ = time::timeout(HINT_TIMEOUT, hint(socket)).await;
        return Err(Refused::Plain);
    }
    let stream = Box::new(acceptor.current().accept(socket).await?);
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first).cloned();
    Ok(Secured { stream, certificate })
}

/// Tells a client that speaks plain HTTP what to do instead.
async fn hint(mut socket: TcpStream) -> io::Result<()> {
    socket.write_all(HINT).await?;
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(HINT_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}
