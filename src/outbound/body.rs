//! A response body, which brings its connection back.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::Fault;
use super::error::chain;
use super::pool::Lease;

/// Room behind a body that does not come with its head, for who makes it longer by an id.
const LONGER: usize = 64;

/// The body of a response.
///
/// Read to its end, it gives its connection back to the pool; dropped before, it closes it (on
/// HTTP/2 only the stream).
pub struct Body {
    source: Source,
}

enum Source {
    /// A connection for nobody else.
    Own(Lease),
    /// A stream of an HTTP/2 connection.
    Shared(Incoming),
    /// Nothing more comes.
    Ended,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// How much was allowed.
        limit: usize,
    },
    /// The connection ended first.
    #[error("the connection ended within the body")]
    Lost(#[from] Fault),
}

impl BodyError {
    /// What failed and why, down to the first cause, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

impl Body {
    /// What comes on a connection of its own.
    pub(super) fn own(lease: Lease) -> Self {
        let mut body = Self { source: Source::Own(lease) };
        body.settle();
        body
    }

    /// What comes on a connection that others use too.
    pub(super) const fn shared(incoming: Incoming) -> Self {
        Self { source: Source::Shared(incoming) }
    }

    /// The next bytes as they arrive; `None` at the end.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let data = ready!(match &mut self.source {
            Source::Own(lease) => lease.connection.poll_data(cx),
            Source::Shared(incoming) => poll_shared(incoming, cx),
            Source::Ended => Poll::Ready(None),
        });
        if let Some(Err(_)) = data {
            self.source = Source::Ended;
        }
        self.settle();
        Poll::Ready(data.map(|data| data.map_err(BodyError::Lost)))
    }

    /// The next bytes as they arrive; `None` at the end.
    ///
    /// # Errors
    /// When the connection ends within the body.
    pub async fn data(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The whole body; one that arrives in one piece, or says its length, is not copied.
    ///
    /// # Errors
    /// When it is larger than `limit` bytes, or the connection ends first.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let expected = self.size_hint().lower();
        if expected > limit as u64 {
            return Err(BodyError::TooLarge { limit });
        }
        if let Source::Own(lease) = &mut self.source {
            poll_fn(|cx| lease.connection.poll_fill(LONGER, cx)).await?;
        }
        let Some(first) = self.data().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if self.is_end_stream() {
            return Ok(first);
        }
        let Some(second) = self.data().await.transpose()? else { return Ok(first) };
        let expected = usize::try_from(expected).unwrap_or(0);
        let expected = expected.max(first.len() + second.len());
        let mut whole = BytesMut::with_capacity(expected + LONGER);
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while whole.len() <= limit {
            let Some(more) = self.data().await.transpose()? else { return Ok(whole.freeze()) };
            whole.extend_from_slice(&more);
        }
        Err(BodyError::TooLarge { limit })
    }

    /// Gives the connection back if nothing more can come.
    fn settle(&mut self) {
        if self.is_end_stream()
            && let Source::Own(lease) = mem::replace(&mut self.source, Source::Ended)
        {
            lease.give_back();
        }
    }
}

/// Data of an HTTP/2 stream; trailers are passed over.
fn poll_shared(
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Fault>>> {
    loop {
        match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(lease) => lease.connection.is_at_end(),
            Source::Shared(incoming) => incoming.is_end_stream(),
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(lease) => match lease.connection.left() {
                Some(left) => SizeHint::with_exact(left),
                None => SizeHint::default(),
            },
            Source::Shared(incoming) => incoming.size_hint(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}
