//! The rest of a response that lasts, on a bare socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server::BoxError;

/// While so much is ready to be sent, no more is asked for.
const ENOUGH_BYTES: usize = 16 << 10;

pin_project! {
    /// Sends a body in chunks (RFC 9112 §7.1), and ends the connection with it or when the client
    /// leaves. What the client says meanwhile is for nobody: it was told that this is the last
    /// response.
    pub(super) struct Streaming<T, B> {
        io: T,
        #[pin]
        body: B,
        unsent: BytesMut,
        is_last: bool,
    }
}

impl<T, B> Streaming<T, B> {
    /// Behind the head of the response, which must have been sent.
    pub(super) fn new(io: T, body: B) -> Self {
        Self { io, body, unsent: BytesMut::new(), is_last: false }
    }
}

impl<T, B> Future for Streaming<T, B>
where
    T: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if has_left(self.as_mut().project().io, cx)? {
            return Poll::Ready(Ok(()));
        }
        loop {
            let this = self.as_mut().project();
            while !this.unsent.is_empty() {
                let written = ready!(Pin::new(&mut *this.io).poll_write(cx, this.unsent))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                this.unsent.advance(written);
            }
            ready!(Pin::new(&mut *this.io).poll_flush(cx))?;
            if *this.is_last {
                return Pin::new(this.io).poll_shutdown(cx);
            }
            let chunks = ready!(self.as_mut().poll_chunks(cx))?;
            *self.as_mut().project().unsent = chunks;
        }
    }
}

impl<T, B: Body<Data = Bytes, Error: Into<BoxError>>> Streaming<T, B> {
    /// What is ready, as chunks.
    fn poll_chunks(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let mut this = self.project();
        // Made anew each time, so that a silent stream has none.
        let mut chunks = BytesMut::new();
        while chunks.len() < ENOUGH_BYTES {
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(frame)) => {
                    // Without the last chunk the client sees that there should be more.
                    let frame = frame.map_err(io::Error::other)?;
                    if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                        put_chunk(&mut chunks, data);
                    }
                }
                Poll::Ready(None) => {
                    *this.is_last = true;
                    chunks.extend_from_slice(b"0\r\n\r\n");
                    break;
                }
                Poll::Pending if chunks.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(chunks))
    }
}

fn put_chunk(chunks: &mut BytesMut, data: &[u8]) {
    let size = format!("{:x}\r\n", data.len());
    chunks.reserve(size.len() + data.len() + 2);
    chunks.extend_from_slice(size.as_bytes());
    chunks.extend_from_slice(data);
    chunks.extend_from_slice(b"\r\n");
}

/// Whether the client has closed its side.
fn has_left(io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> io::Result<bool> {
    loop {
        let mut unread = [0; 512];
        let mut unread = ReadBuf::new(&mut unread);
        match Pin::new(&mut *io).poll_read(cx, &mut unread)? {
            Poll::Ready(()) if unread.filled().is_empty() => return Ok(true),
            Poll::Ready(()) => {}
            Poll::Pending => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt, Stream, StreamExt, stream};
    use http::Request;
    use http_body::Frame;
    use http_body_util::{BodyExt, Empty, StreamBody};
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time;

    use super::*;

    type Piece = Result<Bytes, BoxError>;

    fn body(pieces: impl Stream<Item = Piece>) -> impl Body<Data = Bytes, Error = BoxError> {
        StreamBody::new(pieces.map(|piece| piece.map(Frame::data)))
    }

    /// What a client receives that does not say anything, with room for `room` bytes on the way.
    async fn received(room: usize, pieces: Vec<Piece>) -> (io::Result<()>, String) {
        let (mut client, io) = tokio::io::duplex(room);
        let sent = Streaming::new(io, body(stream::iter(pieces)));
        let mut text = String::new();
        let (sent, read) = tokio::join!(sent, client.read_to_string(&mut text));
        read.unwrap();
        (sent, text)
    }

    #[tokio::test]
    async fn pieces_become_chunks_and_the_end_is_the_last_one() {
        let pieces = ["one", "", &"x".repeat(26)].map(|text| Ok(Bytes::from(text.to_owned())));
        let (sent, text) = received(7, pieces.into()).await;
        sent.unwrap();
        assert_eq!(text, format!("3\r\none\r\n1a\r\n{}\r\n0\r\n\r\n", "x".repeat(26)));
    }

    #[tokio::test]
    async fn who_reads_slowly_gets_it_all() {
        let (client, io) = tokio::io::duplex(512);
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
        let sizes = [1, 15, 16, 17, ENOUGH_BYTES - 1, ENOUGH_BYTES, 100_000];
        let pieces = sizes.map(|size| Ok(Bytes::from(vec![b'x'; size])));
        let serve = async move {
            let mut io = io;
            let _ = io.read(&mut [0; 512]).await.unwrap();
            io.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            Streaming::new(io, body(stream::iter(pieces))).await.unwrap();
        };
        let ask = async {
            let request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes().len()
        };
        let ((), _, length) = tokio::join!(serve, connection, ask);
        assert_eq!(length, sizes.iter().sum::<usize>());
    }

    #[tokio::test]
    async fn a_body_that_fails_is_not_ended() {
        let (sent, text) =
            received(1024, vec![Ok(Bytes::from("one")), Err("as asked".into())]).await;
        assert_eq!(sent.unwrap_err().to_string(), "as asked");
        assert_eq!(text, "");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_leaves_and_not_when_it_says_something() {
        let (mut client, io) = tokio::io::duplex(1024);
        let mut streaming = Box::pin(Streaming::new(io, body(stream::pending())));
        client.write_all(&[b'x'; 1000]).await.unwrap();
        assert!((&mut streaming).now_or_never().is_none());
        let leave = async {
            time::sleep(Duration::from_mins(1)).await;
            drop(client);
        };
        let (ended, ()) = tokio::join!(streaming, leave);
        ended.unwrap();
    }
}
