//! What waits to be sent to the backend: bounded by count and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::dropped;

/// How many bytes wait for a backend that does not take them.
const MAX_BYTES: u32 = 8 << 20;
/// How many messages wait; each takes at least this part of the space.
const MAX_MESSAGES: u32 = 256;

/// The outbox takes nothing any more.
#[derive(Debug)]
pub(in crate::backends) struct Closed;

/// Messages to the backend, given to the transport in the order they came.
///
/// Requests of clients wait for room, and only they: a backend that takes nothing holds up its own
/// callers, each until its own deadline.
#[derive(Debug)]
pub(in crate::backends) struct Outbox {
    space: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Outgoing>>,
    filled: Notify,
    closed: CancellationToken,
}

/// A message on its way out; it takes up its room until it is dropped.
#[derive(Debug)]
pub(in crate::backends) struct Outgoing {
    pub(in crate::backends) about: About,
    pub(in crate::backends) bytes: Bytes,
    /// Held for as long as the message takes up room; nobody reads it.
    _space: Option<OwnedSemaphorePermit>,
}

/// Which request of ours a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends) enum About {
    /// It is that request.
    Request(u64),
    /// It takes that request back.
    Cancelled(u64),
    /// None: a notification, or a response.
    Nothing,
}

impl Outbox {
    pub(in crate::backends) fn new() -> Self {
        Self {
            space: Arc::new(Semaphore::new(MAX_BYTES as usize)),
            waiting: Mutex::new(VecDeque::new()),
            filled: Notify::new(),
            closed: CancellationToken::new(),
        }
    }

    /// Queues a message, waiting for room.
    pub(in crate::backends) async fn push(&self, id: u64, bytes: Bytes) -> Result<(), Closed> {
        let space = Arc::clone(&self.space).acquire_many_owned(cost(&bytes)).await;
        let space = space.map_err(|_| Closed)?;
        self.put(Outgoing { about: About::Request(id), bytes, _space: Some(space) });
        Ok(())
    }

    /// Queues a message if there is room; drops and counts it otherwise.
    pub(in crate::backends) fn offer(&self, bytes: Bytes) {
        match Arc::clone(&self.space).try_acquire_many_owned(cost(&bytes)) {
            Ok(space) => self.put(Outgoing { about: About::Nothing, bytes, _space: Some(space) }),
            Err(_) => dropped("backend_does_not_read"),
        }
    }

    /// Takes a request back: out of the queue if it still waits there, else by telling the
    /// backend.
    ///
    /// That notification needs no room of its own: there is at most one for each request that has
    /// been sent.
    pub(in crate::backends) fn take_back(&self, id: u64, cancelled: Bytes) {
        let mut waiting = self.waiting.lock();
        if let Some(at) = waiting.iter().position(|outgoing| outgoing.about == About::Request(id)) {
            waiting.remove(at);
            return;
        }
        drop(waiting);
        self.put(Outgoing { about: About::Cancelled(id), bytes: cancelled, _space: None });
    }

    /// Ends it; what waits is not sent.
    pub(in crate::backends) fn close(&self) {
        self.space.close();
        self.closed.cancel();
        self.waiting.lock().clear();
    }

    fn put(&self, outgoing: Outgoing) {
        if !self.closed.is_cancelled() {
            self.waiting.lock().push_back(outgoing);
            self.filled.notify_one();
        }
    }

    /// The next message that waits, once there is one; pending for ever behind the end.
    pub(in crate::backends) async fn next(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.take() {
                return outgoing;
            }
            self.filled.notified().await;
        }
    }

    /// The next message, if one waits.
    pub(in crate::backends) fn take(&self) -> Option<Outgoing> {
        self.waiting.lock().pop_front()
    }

    /// Cancelled when nothing more is taken.
    pub(in crate::backends) fn closed(&self) -> &CancellationToken {
        &self.closed
    }
}

fn cost(bytes: &Bytes) -> u32 {
    let bytes = u32::try_from(bytes.len()).unwrap_or(MAX_BYTES);
    bytes.clamp(MAX_BYTES / MAX_MESSAGES, MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_finds_it_full_waits_and_gets_the_room_of_what_is_taken_back() {
        let outbox = Outbox::new();
        for id in 0..u64::from(MAX_MESSAGES) {
            outbox.push(id, Bytes::from_static(b"{}")).await.unwrap();
        }
        let mut waiting = Box::pin(outbox.push(1000, Bytes::from_static(b"{}")));
        assert!(waiting.as_mut().now_or_never().is_none());
        outbox.offer(Bytes::from_static(b"dropped"));
        outbox.take_back(7, Bytes::from_static(b"cancelled"));
        waiting.await.unwrap();
        let held = outbox.waiting.lock();
        assert_eq!(held.len(), MAX_MESSAGES as usize);
        assert!(held.iter().all(|outgoing| outgoing.bytes == "{}"));
    }

    #[tokio::test]
    async fn a_message_takes_up_its_room_until_it_has_been_sent() {
        let outbox = Outbox::new();
        outbox.push(1, Bytes::from(vec![b'x'; MAX_BYTES as usize])).await.unwrap();
        let sending = outbox.next().await;
        let mut waiting = Box::pin(outbox.push(2, Bytes::from_static(b"{}")));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(sending);
        waiting.await.unwrap();
        outbox.take_back(1, Bytes::from_static(b"cancelled"));
        let abouts: Vec<About> =
            std::iter::from_fn(|| outbox.take()).map(|out| out.about).collect();
        assert_eq!(abouts, [About::Request(2), About::Cancelled(1)]);
    }

    #[tokio::test]
    async fn closing_ends_those_who_wait() {
        let outbox = Outbox::new();
        outbox.push(1, Bytes::from(vec![b'x'; MAX_BYTES as usize])).await.unwrap();
        let close = async {
            tokio::task::yield_now().await;
            outbox.close();
        };
        let (pushed, ()) = tokio::join!(outbox.push(2, Bytes::from_static(b"{}")), close);
        assert!(pushed.is_err() && outbox.take().is_none());
    }
}
