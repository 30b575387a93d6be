//! The body of a request: what is new in each, and what all have in common.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Two pieces that are sent as one, so that nobody has to copy the long one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(super) head: Bytes,
    pub(super) rest: Bytes,
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self { head: text.into(), rest: Bytes::new() }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { head, rest } = &mut *self;
        let piece = if head.is_empty() { mem::take(rest) } else { mem::take(head) };
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty() && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.head.len() as u64 + self.rest.len() as u64)
    }
}
