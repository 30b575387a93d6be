//! A response body, which brings its connection back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::chain;
use super::pool::Lease;

/// Room behind a body that came in pieces, for who makes it longer by an id.
const LONGER: usize = 64;

/// The body of a response.
///
/// Read to its end, it gives its connection back to the pool; dropped before, it closes it (on
/// HTTP/2 only the stream).
pub struct Body {
    incoming: Incoming,
    lease: Option<Lease>,
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
    Lost(#[from] hyper::Error),
}

impl BodyError {
    /// What failed and why, down to the first cause, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

impl Body {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { incoming, lease };
        body.settle();
        body
    }

    /// The next bytes as they arrive; `None` at the end.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            match ready!(Pin::new(&mut *self).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// The next bytes as they arrive; `None` at the end.
    ///
    /// # Errors
    /// When the connection ends within the body.
    pub async fn data(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The whole body; one that arrives in one piece is not copied.
    ///
    /// # Errors
    /// When it is larger than `limit` bytes, or the connection ends first.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let expected = self.incoming.size_hint().lower();
        if expected > limit as u64 {
            return Err(BodyError::TooLarge { limit });
        }
        let Some(first) = self.data().await.transpose()? else { return Ok(Bytes::new()) };
        if self.incoming.is_end_stream() && first.len() <= limit {
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
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, lease } = &mut *self;
        let frame = ready!(match lease {
            Some(lease) => lease.connection.poll_frame(incoming, cx),
            None => Pin::new(incoming).poll_frame(cx),
        });
        match &frame {
            Some(Ok(_)) => self.settle(),
            Some(Err(_)) => self.lease = None,
            None => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}
