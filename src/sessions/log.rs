//! The events of one stream, kept for a client that lost it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::mcp::sse;

/// How many events, and how many bytes, one stream keeps; the oldest go first.
const MAX_EVENTS: usize = 256;
const MAX_BYTES: usize = 1 << 20;

/// How many bytes all streams of all sessions keep together.
const MAX_ALL_BYTES: usize = 256 << 20;

/// What all streams keep together. Past the limit a stream keeps no more than a reader needs.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { used: AtomicUsize::new(0), limit: MAX_ALL_BYTES }
    }
}

/// The events of one stream of a session, under ids `{stream}-{sequence}`.
///
/// A reader follows it live or replays from an id. One that is too slow loses the oldest events and
/// stalls nobody.
pub struct Log {
    stream: u64,
    budget: Arc<Budget>,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    /// The sequence number of the next event.
    next: u64,
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    ended: Option<Instant>,
    /// Counts readers: a new one takes the stream over from the one before.
    readers: u64,
}

impl Log {
    /// An empty log of the stream with that number.
    pub(super) fn new(stream: u64, budget: Arc<Budget>) -> Arc<Self> {
        let inner = Inner { next: 1, events: VecDeque::new(), bytes: 0, ended: None, readers: 0 };
        Arc::new(Self { stream, budget, inner: Mutex::new(inner), changed: Notify::new() })
    }

    /// The stream's number.
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// Adds a message and returns its frame, ready to be sent.
    pub fn push(&self, message: &[u8]) -> Bytes {
        let mut inner = self.inner.lock();
        let sequence = inner.next;
        inner.next += 1;
        let frame = sse::encode(message, Some(&self.id(sequence)));
        inner.bytes += frame.len();
        inner.events.push_back((sequence, frame.clone()));
        self.budget.used.fetch_add(frame.len(), Ordering::Relaxed);
        while self.is_too_much(&inner) {
            let (_, oldest) = inner.events.pop_front().expect("nothing is not too much");
            inner.bytes -= oldest.len();
            self.budget.used.fetch_sub(oldest.len(), Ordering::Relaxed);
        }
        drop(inner);
        self.changed.notify_waiters();
        frame
    }

    fn is_too_much(&self, inner: &Inner) -> bool {
        let events = inner.events.len();
        let all = self.budget.used.load(Ordering::Relaxed);
        events > MAX_EVENTS
            || (inner.bytes > MAX_BYTES && events > 1)
            // What somebody is reading has to pass through here.
            || (all > self.budget.limit && events > usize::from(inner.readers > 0))
    }

    /// The frame that opens the stream: an id to come back with, before anything was said.
    pub fn priming(&self, retry_ms: Option<u64>) -> Bytes {
        let last = self.inner.lock().next - 1;
        sse::encode_priming(&self.id(last), retry_ms)
    }

    /// Nothing will be added any more.
    pub fn end(&self) {
        self.inner.lock().ended.get_or_insert_with(Instant::now);
        self.changed.notify_waiters();
    }

    /// When it ended, if it has.
    pub fn ended(&self) -> Option<Instant> {
        self.inner.lock().ended
    }

    /// Whether anybody ever read it: only then is it worth keeping what is said.
    pub fn was_read(&self) -> bool {
        self.inner.lock().readers > 0
    }

    /// Follows the stream from behind event `after`, or from now on; whoever read it before sees
    /// its end.
    pub fn read(self: &Arc<Self>, after: Option<u64>) -> impl Stream<Item = Bytes> + Send + use<> {
        let (reader, next) = {
            let mut inner = self.inner.lock();
            inner.readers += 1;
            // An id that was not given out yet is of a log before a restart, or made up: a reader
            // that waited for it would miss all that is said until then.
            let next = after.map_or(inner.next, |after| inner.next.min(after.saturating_add(1)));
            (inner.readers, next)
        };
        self.changed.notify_waiters();
        stream::unfold((Arc::clone(self), next), move |(log, next)| async move {
            let (sequence, frame) = log.wait(reader, next).await?;
            Some((frame, (log, sequence + 1)))
        })
    }

    async fn wait(&self, reader: u64, next: u64) -> Option<(u64, Bytes)> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // what is pushed behind the look below wakes us
            match self.get(reader, next) {
                Next::Event(sequence, frame) => return Some((sequence, frame)),
                Next::End => return None,
                Next::Wait => changed.await,
            }
        }
    }

    fn get(&self, reader: u64, next: u64) -> Next {
        let inner = self.inner.lock();
        if inner.readers != reader {
            return Next::End;
        }
        let behind = inner.next.saturating_sub(next);
        let kept = inner.events.len() as u64;
        if behind > kept && kept > 0 {
            metrics::counter!("portcullis_dropped_total", "reason" => "slow_stream")
                .increment(behind - kept);
        }
        let index =
            inner.events.len().saturating_sub(usize::try_from(behind).unwrap_or(usize::MAX));
        match inner.events.get(index) {
            Some((sequence, frame)) => Next::Event(*sequence, frame.clone()),
            None if inner.ended.is_some() => Next::End,
            None => Next::Wait,
        }
    }

    fn id(&self, sequence: u64) -> String {
        format!("{:x}-{sequence}", self.stream)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.inner.get_mut().bytes, Ordering::Relaxed);
    }
}

enum Next {
    Event(u64, Bytes),
    End,
    Wait,
}

/// The stream and the sequence number that an event id names.
pub fn parse_event_id(id: &str) -> Option<(u64, u64)> {
    let (stream, sequence) = id.split_once('-')?;
    Some((u64::from_str_radix(stream, 16).ok()?, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn log(stream: u64) -> Arc<Log> {
        Log::new(stream, Arc::default())
    }

    fn text(frame: Option<Bytes>) -> String {
        String::from_utf8(frame.expect("an event").to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_reader_gets_what_came_behind_its_id_and_then_what_comes() {
        let log = log(3);
        log.push(b"1");
        log.push(b"2");
        let mut reader = Box::pin(log.read(Some(1)));
        assert_eq!(text(reader.next().await), "id: 3-2\ndata: 2\n\n");
        assert!(reader.next().now_or_never().is_none(), "nothing more yet");
        log.push(b"3");
        assert_eq!(text(reader.next().await), "id: 3-3\ndata: 3\n\n");
        log.end();
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_second_reader_takes_the_stream_over() {
        let log = log(0);
        let mut first = Box::pin(log.read(None));
        let mut second = Box::pin(log.read(None));
        log.push(b"x");
        assert_eq!(first.next().await, None);
        assert!(second.next().await.is_some());
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_events_and_stalls_nobody() {
        let log = log(0);
        let mut reader = Box::pin(log.read(None));
        for _ in 0..2 * MAX_EVENTS {
            log.push(b"x");
        }
        log.end();
        let first = text(reader.next().await);
        assert!(first.starts_with(&format!("id: 0-{}\n", MAX_EVENTS + 1)), "{first}");
        assert_eq!(reader.count().await, MAX_EVENTS - 1);
    }

    #[tokio::test]
    async fn an_id_that_was_never_given_out_means_from_now_on() {
        let log = log(0);
        log.push(b"1");
        let mut reader = Box::pin(log.read(Some(57)));
        log.push(b"2");
        let next = reader.next().now_or_never().flatten();
        assert_eq!(text(next), "id: 0-2\ndata: 2\n\n");
    }

    #[tokio::test]
    async fn all_streams_together_keep_no_more_than_their_budget() {
        let budget = Arc::new(Budget { used: AtomicUsize::new(0), limit: 100 });
        let new = || Log::new(0, budget.clone());
        let (unread, read) = (new(), new());
        let mut reader = Box::pin(read.read(None));
        for _ in 0..100 {
            unread.push(b"0123456789");
            assert!(budget.used.load(Ordering::Relaxed) <= 100);
        }
        unread.push(&[b'x'; 200]);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0, "nobody reads it");
        read.push(&[b'x'; 200]);
        assert!(reader.next().now_or_never().flatten().is_some(), "somebody reads it");
        drop((unread, reader, read));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_event_id_names_stream_and_sequence() {
        assert_eq!(parse_event_id("3-17"), Some((3, 17)));
        for garbage in ["", "3", "x-1", "1-b", "-", "11112222333344445-1"] {
            assert_eq!(parse_event_id(garbage), None, "{garbage}");
        }
    }
}
