//! How many response streams may be open. They last for hours, so they do not count as requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::limit::{Count, Permit};
use crate::observe::metrics::{OpenStream, stream_opened};

/// There are as many streams open as there may be.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{limit} streams are open, as many as there may be")]
pub struct TooManyStreams {
    limit: usize,
}

/// The open streams of all workers.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Count>);

/// One open stream; it is closed when this is dropped.
#[derive(Debug)]
pub struct Stream {
    _permit: Permit,
    _gauge: OpenStream,
}

impl Streams {
    /// At most so many at a time.
    pub fn new(max_streams: usize) -> Self {
        Self(Arc::new(Count::new(max_streams)))
    }

    /// Opens one more.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn open(&self) -> Result<Stream, TooManyStreams> {
        let permit = self.0.take().ok_or(TooManyStreams { limit: self.0.limit() })?;
        Ok(Stream { _permit: permit, _gauge: stream_opened() })
    }

    /// How many are open now.
    pub fn len(&self) -> usize {
        self.0.taken()
    }

    /// Whether none is open now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Stream {
    /// The body that keeps the stream open as long as it lives.
    pub fn body<B>(self, inner: B) -> Counted<B> {
        Counted { inner, stream: self }
    }
}

pin_project! {
    /// A body that counts as an open stream.
    #[derive(Debug)]
    pub struct Counted<B> {
        #[pin]
        inner: B,
        stream: Stream,
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_open_until_its_body_is_dropped() {
        let streams = Streams::new(1);
        let body = streams.open().unwrap().body(http_body_util::Empty::<bytes::Bytes>::new());
        assert_eq!(streams.len(), 1);
        let refused = streams.open().unwrap_err().to_string();
        assert_eq!(refused, "1 streams are open, as many as there may be");
        drop(body);
        assert!(streams.is_empty());
        assert!(streams.open().is_ok());
    }
}
