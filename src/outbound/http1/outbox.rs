//! A request that is being written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::outbound::{Destination, Head};

/// A body up to this size is copied behind its head, so that one buffer is written at once.
const SMALL: usize = 16 << 10;
/// A larger buffer is not kept for the next request.
const KEPT: usize = 4 << 10;

/// A request that is being written.
#[derive(Default)]
pub(super) struct Outbox {
    /// The head, and a small body.
    first: Vec<u8>,
    /// A large body.
    second: Bytes,
    written: usize,
    state: State,
    error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Written,
    Writing,
    Failed,
}

impl Outbox {
    /// Puts in the next request.
    pub(super) fn put(&mut self, destination: &Destination, head: &Head, body: Bytes) {
        self.first.clear();
        head.write(destination, body.len(), &mut self.first);
        if body.len() <= SMALL {
            self.first.extend_from_slice(&body);
        } else {
            self.second = body;
        }
        self.written = 0;
        self.state = State::Writing;
        self.error = None;
    }

    /// Whether the server may have seen something of the request.
    pub(super) const fn has_begun(&self) -> bool {
        self.written > 0
    }

    /// Whether the server may have seen all of the request.
    pub(super) fn is_written(&self) -> bool {
        self.state == State::Written
    }

    /// Whether the rest of the request cannot be written.
    pub(super) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Why it cannot.
    pub(super) const fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Writes as much as can be written now. What goes wrong is kept for who asks: the server may
    /// have answered before.
    pub(super) fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) {
        if self.state != State::Writing {
            return;
        }
        if let Poll::Ready(end) = self.poll_write(stream, cx) {
            self.state = if end.is_ok() { State::Written } else { State::Failed };
            self.error = end.err();
            self.second = Bytes::new();
        }
    }

    /// Gives back what the next request is unlikely to need.
    pub(super) fn shrink(&mut self) {
        if self.first.capacity() > KEPT {
            self.first = Vec::new();
        }
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(stream);
        while self.written < self.first.len() + self.second.len() {
            let written = match self.written.checked_sub(self.first.len()) {
                Some(written) => stream.as_mut().poll_write(cx, &self.second[written..]),
                None if self.second.is_empty() => {
                    stream.as_mut().poll_write(cx, &self.first[self.written..])
                }
                None => {
                    let first = IoSlice::new(&self.first[self.written..]);
                    let both = [first, IoSlice::new(&self.second)];
                    stream.as_mut().poll_write_vectored(cx, &both)
                }
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        stream.poll_flush(cx)
    }
}
