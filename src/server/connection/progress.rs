//! How a response that lasts leaves hyper behind.
//!
//! hyper keeps two buffers of 8 KiB, the service and room for the future of a response as long as a
//! connection is open, which a stream that is open for hours and mostly silent has no use for. So
//! hyper sends the head of such a response and gets a body that never says anything. The real one
//! and the socket are then taken from it, and sent on without it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server::{Body, BoxError};

/// How far a connection is, as those inside of hyper tell who drives it.
pub(super) struct Progress {
    begun: AtomicBool,
    /// The body that goes on without hyper; its head is written, but may not have been sent.
    lasting: Mutex<Option<Body>>,
    has_lasting: AtomicBool,
    /// The head has been sent too.
    is_due: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: AtomicBool::new(false),
            lasting: Mutex::new(None),
            has_lasting: AtomicBool::new(false),
            is_due: AtomicBool::new(false),
        })
    }

    /// A request has come.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Whether one has.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether hyper has nothing left to do.
    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed)
    }

    /// The body that is to be sent without it.
    pub(super) fn take(&self) -> Option<Body> {
        self.lasting.lock().take()
    }
}

/// The body that hyper gets in place of one that lasts. When hyper asks it for the first time, it
/// has written the head.
struct Placeholder {
    body: Option<Body>,
    progress: Arc<Progress>,
}

/// Takes the body of a response to where it goes on without hyper.
pub(super) fn detain(body: Body, progress: Arc<Progress>) -> Body {
    Body::stream(Placeholder { body: Some(body), progress })
}

impl http_body::Body for Placeholder {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(body) = self.body.take() {
            *self.progress.lasting.lock() = Some(body);
            self.progress.has_lasting.store(true, Ordering::Relaxed);
        }
        // hyper goes on by itself: it sends what it has written.
        Poll::Pending
    }
}

/// A socket that notices when hyper has sent all it had: it flushes only then.
pub(super) struct Watched<T> {
    pub(super) io: T,
    pub(super) progress: Arc<Progress>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        if self.progress.has_lasting.load(Ordering::Relaxed) {
            self.progress.is_due.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
