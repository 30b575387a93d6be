//! All that one connection says to its client, in order: for transports with one stream a session.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// While so many bytes wait for the client, answers wait where they come from.
const ENOUGH_BYTES: usize = 1 << 20;
/// How many bytes may wait of what cannot: more and the client has stopped reading.
const MAX_UNASKED_BYTES: usize = 1 << 20;
/// What a message takes beside its text.
const OVERHEAD: usize = 64;

/// Messages that wait for one client.
///
/// Answers come from calls, which can wait, so they are only put here while there is [room](Self::room). What nobody
/// asked for cannot wait: it is bounded in bytes, and a client that leaves so much unread loses its stream.
#[derive(Debug, Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
    emptied: Notify,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    unasked_bytes: usize,
    is_finished: bool,
}

#[derive(Debug)]
struct Waiting {
    message: Bytes,
    is_unasked: bool,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.message.len() + OVERHEAD
    }
}

impl Outbox {
    /// Adds what a request comes to. There should be room.
    pub fn answer(&self, message: Bytes) {
        self.put(&mut self.inner.lock(), Waiting { message, is_unasked: false });
    }

    /// Adds what the client did not ask for, or closes the outbox if it leaves too much unread.
    pub fn tell(&self, message: Bytes) {
        let waiting = Waiting { message, is_unasked: true };
        let mut inner = self.inner.lock();
        let unread = inner.unasked_bytes;
        // One alone may be as large as it is.
        if unread > 0 && unread + waiting.cost() > MAX_UNASKED_BYTES {
            drop(inner);
            metrics::counter!("portcullis_dropped_total", "reason" => "client_does_not_read")
                .increment(1);
            tracing::debug!(unread, "a client does not read what it is told, and loses its stream");
            self.close();
            return;
        }
        self.put(&mut inner, waiting);
    }

    fn put(&self, inner: &mut Inner, waiting: Waiting) {
        if inner.is_finished || self.closed.is_cancelled() {
            return;
        }
        inner.bytes += waiting.cost();
        if waiting.is_unasked {
            inner.unasked_bytes += waiting.cost();
        }
        inner.waiting.push_back(waiting);
        self.filled.notify_one();
    }

    /// The next message; `None` at the end. One reader at a time.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut inner = self.inner.lock();
                if let Some(waiting) = inner.waiting.pop_front() {
                    inner.bytes -= waiting.cost();
                    if waiting.is_unasked {
                        inner.unasked_bytes -= waiting.cost();
                    }
                    self.emptied.notify_one();
                    return Some(waiting.message);
                }
                if inner.is_finished || self.closed.is_cancelled() {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Whether answers may be added.
    pub fn has_room(&self) -> bool {
        self.inner.lock().bytes < ENOUGH_BYTES
    }

    /// Waits until answers may be added. One waits at a time.
    pub async fn room(&self) {
        while !self.has_room() {
            self.emptied.notified().await;
        }
    }

    /// What waits is still read, then the last word if there is one, and nothing comes behind it.
    pub fn finish(&self, last: Option<Bytes>) {
        let mut inner = self.inner.lock();
        if let Some(message) = last {
            self.put(&mut inner, Waiting { message, is_unasked: false });
        }
        inner.is_finished = true;
        drop(inner);
        self.filled.notify_one();
    }

    /// Nobody reads any more: what waits is dropped.
    pub fn close(&self) {
        self.closed.cancel();
        let mut inner = self.inner.lock();
        (inner.bytes, inner.unasked_bytes) = (0, 0);
        inner.waiting.clear();
        self.filled.notify_one();
        self.emptied.notify_one();
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const WORD: Bytes = Bytes::from_static(b"word");

    #[tokio::test]
    async fn what_is_said_comes_in_order_and_ends() {
        let outbox = Outbox::default();
        assert!(outbox.next().now_or_never().is_none(), "nothing yet");
        outbox.answer(Bytes::from_static(b"1"));
        outbox.tell(Bytes::from_static(b"2"));
        outbox.finish(Some(Bytes::from_static(b"3")));
        outbox.tell(Bytes::from_static(b"4"));
        for word in ["1", "2", "3"] {
            assert_eq!(outbox.next().await.unwrap(), word);
        }
        assert_eq!(outbox.next().await, None);
    }

    #[tokio::test]
    async fn answers_wait_for_room_and_however_large_they_are_lose_nobody_the_stream() {
        let outbox = Outbox::default();
        outbox.answer(Bytes::from(vec![b'x'; 4 * ENOUGH_BYTES]));
        assert!(outbox.room().now_or_never().is_none());
        outbox.tell(WORD);
        assert!(outbox.closed().now_or_never().is_none(), "a slow client is no silent one");
        outbox.next().await.unwrap();
        outbox.room().now_or_never().expect("room");
        assert_eq!(outbox.next().await.unwrap(), WORD);
    }

    #[tokio::test]
    async fn who_leaves_too_much_unread_loses_the_stream() {
        let outbox = Outbox::default();
        let mut told = 0;
        while outbox.closed().now_or_never().is_none() {
            outbox.tell(WORD);
            told += 1;
            assert!(outbox.inner.lock().bytes <= MAX_UNASKED_BYTES);
        }
        assert!(told > 10_000, "{told}");
        assert_eq!(outbox.inner.lock().waiting.len(), 0, "nothing is kept for it");
        assert_eq!(outbox.next().await, None);
    }

    #[tokio::test]
    async fn one_message_may_be_larger_than_all_together() {
        let outbox = Outbox::default();
        outbox.tell(Bytes::from(vec![b'x'; 2 * MAX_UNASKED_BYTES]));
        assert!(outbox.closed().now_or_never().is_none());
        outbox.tell(WORD);
        assert!(outbox.closed().now_or_never().is_some());
    }
}
