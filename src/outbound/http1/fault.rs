//! What can go wrong on a connection.

use std::io;

/// What went wrong on a connection.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server closed it, and nothing was lost but the answer.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed it in the midst of the head of an answer.
    #[error("the server closed the connection within the head of its answer")]
    ClosedWithinHead,
    /// The server closed it before the end that it had announced.
    #[error("the server closed the connection before the end of its answer")]
    ClosedWithinBody,
    /// Something came for which there was no request.
    #[error("the server sent what nobody had asked for")]
    Unasked,
    /// Reading failed.
    #[error("cannot read the answer")]
    Read(#[source] io::Error),
    /// Writing failed.
    #[error("cannot write the request")]
    Write(#[source] io::Error),
    /// The head of an answer is not HTTP/1.
    #[error("the answer has no head of HTTP/1: {0}")]
    Head(httparse::Error),
    /// The head of an answer is too large.
    #[error("the head of the answer is larger than {} bytes", super::answer::MAX_BYTES)]
    HeadTooLarge,
    /// The server wants to speak another protocol, which nobody had offered (101).
    #[error("the server switches to another protocol")]
    Upgrade,
    /// `Content-Length` is no number, or several.
    #[error("the answer has no Content-Length that makes sense")]
    ContentLength,
    /// The body is coded in another way than `chunked`.
    #[error("the answer has an unknown Transfer-Encoding")]
    TransferEncoding,
    /// What stands between chunks is of no use.
    #[error("the answer has a malformed chunk")]
    Chunk,
    /// What stands behind the last chunk is too long.
    #[error("the answer has trailers of more than {} bytes", super::chunked::MAX_TRAILERS)]
    Trailers,
    /// An HTTP/2 connection, or a stream of it, failed.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}
