//! An HTTP/1.1 connection to a server (RFC 9112), driven by whoever waits for something on it.
//!
//! A general one serves both sides, pipelines, bodies of all kinds and tasks of its own. This one
//! puts a request that it has as a whole and reads one answer: a call costs a write and a read.

mod answer;
mod chunked;
mod fault;
mod framing;
mod inbox;
mod outbox;
mod stream;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Method, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use fault::Fault;
pub(super) use stream::Stream;

use super::connect::Open;
use super::{Destination, Head};
use answer::{Answer, Parsed};
use framing::{Framing, Next};
use inbox::Inbox;
use outbox::Outbox;

/// A connection that serves one request at a time.
///
/// A task of its own would be woken for each piece that arrives, only to wake whoever waits for the
/// piece. So who waits drives, and an idle connection is looked at when it is to be used.
pub(super) struct Http1<S = Stream> {
    stream: S,
    outbox: Outbox,
    inbox: Inbox,
    /// What is still to come of the answer.
    body: Framing,
    /// Whether another request may follow the answer.
    keeps_alive: bool,
    is_closed: bool,
    _open: Open,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// Whether the server may have seen something of the request.
    pub(super) sent: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            body: Framing::Length(0),
            keeps_alive: true,
            is_closed: false,
            _open: Open::new(),
        }
    }

    /// Whether it can take a request: the one before was written and answered as a whole, and
    /// nothing came behind its answer.
    pub(super) fn is_ready(&self) -> bool {
        self.keeps_alive
            && !self.is_closed
            && self.is_at_end()
            && self.outbox.is_written()
            && self.inbox.read.is_empty()
    }

    /// Whether its end has been noticed.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Takes note of what has happened to it while it was idle.
    pub(super) fn look(&mut self) {
        self.is_closed |= self.poll_end(&mut Context::from_waker(Waker::noop())).is_ready();
    }

    /// Gives back the memory that it does not need while it is idle.
    pub(super) fn rest(&mut self) {
        self.inbox = Inbox::default();
        self.outbox.shrink();
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Cancel safety
    /// None: dropped before the end, the connection is of no more use.
    pub(super) async fn send(
        &mut self,
        destination: &Destination,
        head: &Head,
        body: Bytes,
    ) -> Result<Response<()>, Failed> {
        self.outbox.put(destination, head, body);
        self.keeps_alive = false; // until there is an answer that says so
        let to_head = head.method() == Method::HEAD;
        match poll_fn(|cx| self.poll_answer(to_head, cx)).await {
            Ok(answer) => {
                (self.body, self.keeps_alive) = (answer.framing, answer.keeps_alive);
                Ok(answer.head)
            }
            Err(fault) => {
                self.is_closed = true;
                Err(Failed { fault, sent: self.outbox.has_begun() })
            }
        }
    }

    /// What comes next of the body; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let data = ready!(self.poll_next(cx)).transpose();
        self.is_closed |= matches!(data, Some(Err(_)));
        Poll::Ready(data)
    }

    /// Reads on until all of a body that says its length is there, so that it comes in one piece
    /// with some `room` behind it.
    pub(super) fn poll_fill(
        &mut self,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let Framing::Length(left) = self.body else { return Poll::Ready(Ok(())) };
        self.outbox.write(&mut self.stream, cx);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let filled = ready!(self.inbox.poll_fill(&mut self.stream, left, room, cx));
        let is_whole = filled.map_err(Fault::Read)?;
        Poll::Ready(if is_whole { Ok(()) } else { Err(Fault::ClosedWithinBody) })
    }

    /// Whether nothing more of the body can come.
    pub(super) const fn is_at_end(&self) -> bool {
        self.body.is_at_end()
    }

    /// How much of the body is still to come, if that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self.body {
            Framing::Length(left) => Some(left),
            Framing::Chunked(_) | Framing::UntilClose => None,
        }
    }

    /// Writes the request and reads the head of the answer, which may come first.
    fn poll_answer(&mut self, to_head: bool, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        if !self.outbox.has_begun() {
            // It also sees to it that the answer wakes us. Reading would make room for it already.
            if let Poll::Ready(fault) = self.poll_end(cx) {
                return Poll::Ready(Err(fault));
            }
        } else if let Poll::Ready(answer) = self.poll_head(to_head, cx) {
            return Poll::Ready(answer);
        }
        self.outbox.write(&mut self.stream, cx);
        if !self.outbox.has_failed() {
            return Poll::Pending;
        }
        if !self.outbox.has_begun() {
            return Poll::Ready(Err(self.cause(Fault::Closed)));
        }
        // A server may refuse what it has not read, and hang up.
        self.poll_head(to_head, cx)
    }

    fn poll_head(&mut self, to_head: bool, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        loop {
            if self.inbox.may_hold_head() {
                match answer::parse(&self.inbox.read, to_head)? {
                    Parsed::Partial => {}
                    Parsed::Interim(length) => {
                        self.inbox.pass(length);
                        continue;
                    }
                    Parsed::Final(length, answer) => {
                        self.inbox.pass(length);
                        return Poll::Ready(Ok(answer));
                    }
                }
            }
            let fault = match ready!(self.inbox.poll_read(&mut self.stream, cx)) {
                Ok(0) if self.inbox.read.is_empty() => Fault::Closed,
                Ok(0) => Fault::ClosedWithinHead,
                Ok(_) => continue,
                Err(error) => Fault::Read(error),
            };
            return Poll::Ready(Err(self.cause(fault)));
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            match self.body.next(&mut self.inbox.read)? {
                Next::Data(data) => return Poll::Ready(Ok(Some(data))),
                Next::End => return Poll::Ready(Ok(None)),
                Next::Unread => {}
            }
            // A server may answer while it still reads.
            self.outbox.write(&mut self.stream, cx);
            let read = self.inbox.poll_read(&mut self.stream, cx);
            if ready!(read).map_err(Fault::Read)? == 0 {
                self.is_closed = true;
                self.body.close()?;
            }
        }
    }

    /// Ready when an idle connection is of no more use, as something came on it or it ended.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => Fault::Closed,
            Ok(()) => Fault::Unasked,
            Err(error) => Fault::Read(error),
        })
    }

    /// Why there is no answer: the request did not go out, or else `fault`.
    fn cause(&mut self, fault: Fault) -> Fault {
        self.outbox.take_error().map_or(fault, Fault::Write)
    }
}

#[cfg(test)]
mod tests;
