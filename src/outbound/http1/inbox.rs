//! What was read from a connection, and not taken yet.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::answer::MAX_BYTES;

/// How much is read at first: most answers fit in.
pub(super) const AT_FIRST: usize = 4 << 10;
/// How much is read at most where nobody knows how much comes.
const AT_MOST: usize = 64 << 10;
/// For less room nothing is read.
const WORTH_WHILE: usize = 512;

/// What was read from a connection, and not taken yet.
pub(super) struct Inbox {
    pub(super) read: BytesMut,
    /// How much room is made when there is none.
    room: usize,
    /// How far the end of a head has been looked for.
    searched: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { read: BytesMut::new(), room: AT_FIRST, searched: 0 }
    }
}

impl Inbox {
    /// Reads what there is; 0 is the end.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < WORTH_WHILE {
            self.read.reserve(self.room);
        }
        let room = self.read.capacity() - self.read.len();
        let Poll::Ready(read) = poll_read_buf(Pin::new(stream), cx, &mut self.read) else {
            if self.read.is_empty() && self.room > AT_FIRST {
                *self = Self::default(); // who knows how long the server is quiet
            }
            return Poll::Pending;
        };
        let read = read?;
        if read == room {
            self.room = (2 * self.room).min(AT_MOST);
        }
        Poll::Ready(Ok(read))
    }

    /// Whether a head may end in what nobody has looked at yet.
    ///
    /// It is parsed from its beginning: who sends it byte by byte would have us do so each time.
    pub(super) fn may_hold_head(&mut self) -> bool {
        let from = mem::replace(&mut self.searched, self.read.len());
        let new = &self.read[from.saturating_sub(3)..];
        !self.read.is_empty() && (from == 0 || self.read.len() > MAX_BYTES || has_empty_line(new))
    }

    /// Takes out a head.
    pub(super) fn pass(&mut self, length: usize) {
        self.read.advance(length);
        self.searched = 0;
    }

    /// Reads until there are `length` bytes, into one buffer of the right size and some `room`
    /// behind them. Whether there are: the end may come first.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        length: usize,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        while self.read.len() < length {
            if self.read.capacity() < length {
                let mut whole = BytesMut::with_capacity(length.saturating_add(room));
                whole.extend_from_slice(&self.read);
                self.read = whole;
            }
            if ready!(poll_read_buf(Pin::new(&mut *stream), cx, &mut self.read))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }
}

fn has_empty_line(text: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', text);
    ends.any(|end| matches!(text[end + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}
