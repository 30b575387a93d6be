//! What waits to be written to the child: bounded by count and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::dropped;
use super::lines::one_line;

/// How many bytes wait for a child that does not read.
const MAX_BYTES: u32 = 8 << 20;
/// How many messages wait; each takes at least this part of the space.
const MAX_MESSAGES: u32 = 256;
/// How much is written at once, if so much is there.
const WRITE_BYTES: usize = 64 << 10;

/// The outbox takes nothing any more.
#[derive(Debug)]
pub(super) struct Closed;

/// Messages to the child, written in the order they came.
///
/// Requests of clients wait for room, and only they: one child that does not read holds up its
/// own callers, each until its own deadline.
#[derive(Debug)]
pub(super) struct Outbox {
    space: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Outgoing>>,
    filled: Notify,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Outgoing {
    /// The id of a request of ours, by which it can be taken back.
    id: Option<u64>,
    bytes: Bytes,
    space: Option<OwnedSemaphorePermit>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            space: Arc::new(Semaphore::new(MAX_BYTES as usize)),
            waiting: Mutex::new(VecDeque::new()),
            filled: Notify::new(),
            closed: CancellationToken::new(),
        }
    }

    /// Queues a message, waiting for room.
    pub(super) async fn push(&self, id: Option<u64>, bytes: Bytes) -> Result<(), Closed> {
        let space = Arc::clone(&self.space).acquire_many_owned(cost(&bytes)).await;
        self.put(Outgoing { id, bytes: one_line(bytes), space: Some(space.map_err(|_| Closed)?) });
        Ok(())
    }

    /// Queues a message if there is room; drops and counts it otherwise.
    pub(super) fn offer(&self, bytes: Bytes) {
        match Arc::clone(&self.space).try_acquire_many_owned(cost(&bytes)) {
            Ok(space) => {
                self.put(Outgoing { id: None, bytes: one_line(bytes), space: Some(space) });
            }
            Err(_) => dropped("child_does_not_read"),
        }
    }

    /// Takes a request back: out of the queue if it still waits there, else by telling the child.
    ///
    /// That notification needs no room of its own: there is at most one for each request that the
    /// child has read.
    pub(super) fn take_back(&self, id: u64, cancelled: Bytes) {
        let mut waiting = self.waiting.lock();
        if let Some(at) = waiting.iter().position(|outgoing| outgoing.id == Some(id)) {
            waiting.remove(at);
            return;
        }
        drop(waiting);
        self.put(Outgoing { id: None, bytes: cancelled, space: None });
    }

    /// Ends it; what waits is not written.
    pub(super) fn close(&self) {
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

    /// Writes until the outbox is closed or the child's standard input is, which then is closed
    /// on our side too.
    pub(super) async fn write(&self, stdin: impl AsyncWrite + Unpin) {
        self.closed.run_until_cancelled(self.write_all(stdin)).await;
    }

    async fn write_all(&self, mut stdin: impl AsyncWrite + Unpin) {
        loop {
            let (buffer, _space) = self.next_lines().await;
            if let Err(error) = stdin.write_all(&buffer).await {
                tracing::debug!(%error, "standard input of a backend is closed");
                return;
            }
        }
    }

    /// Some messages, each on its line, and the room they go on taking until they are written.
    async fn next_lines(&self) -> (BytesMut, Vec<OwnedSemaphorePermit>) {
        loop {
            let (lines, space) = self.take_lines();
            if !lines.is_empty() {
                return (lines, space);
            }
            self.filled.notified().await;
        }
    }

    fn take_lines(&self) -> (BytesMut, Vec<OwnedSemaphorePermit>) {
        let (mut lines, mut space) = (BytesMut::new(), Vec::new());
        let mut waiting = self.waiting.lock();
        while lines.len() < WRITE_BYTES
            && let Some(next) = waiting.pop_front()
        {
            lines.reserve(next.bytes.len() + 1);
            lines.extend_from_slice(&next.bytes);
            lines.extend_from_slice(b"\n");
            space.extend(next.space);
        }
        (lines, space)
    }
}

fn cost(bytes: &Bytes) -> u32 {
    let bytes = u32::try_from(bytes.len()).unwrap_or(MAX_BYTES);
    bytes.clamp(MAX_BYTES / MAX_MESSAGES, MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn messages_are_written_in_their_order_each_on_one_line() {
        let outbox = Outbox::new();
        outbox.push(Some(1), Bytes::from_static(b"{\n}")).await.unwrap();
        outbox.offer(Bytes::from_static(b"{\"b\":1}"));
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut read = vec![0; 12];
        tokio::select! {
            () = outbox.write(ours) => panic!("goes on writing"),
            result = theirs.read_exact(&mut read) => result.unwrap(),
        };
        assert_eq!(read, b"{ }\n{\"b\":1}\n");
    }

    #[tokio::test]
    async fn whoever_finds_it_full_waits_and_gets_the_room_of_what_is_taken_back() {
        let outbox = Outbox::new();
        for id in 0..u64::from(MAX_MESSAGES) {
            outbox.push(Some(id), Bytes::from_static(b"{}")).await.unwrap();
        }
        let mut waiting = Box::pin(outbox.push(None, Bytes::from_static(b"{}")));
        assert!(waiting.as_mut().now_or_never().is_none());
        outbox.offer(Bytes::from_static(b"dropped"));
        outbox.take_back(7, Bytes::from_static(b"cancelled"));
        waiting.await.unwrap();
        let held = outbox.waiting.lock();
        assert_eq!(held.len(), MAX_MESSAGES as usize);
        assert!(held.iter().all(|outgoing| outgoing.bytes == "{}"));
    }

    #[tokio::test]
    async fn closing_ends_a_write_that_nobody_reads_and_those_who_wait() {
        let outbox = Outbox::new();
        outbox.push(None, Bytes::from(vec![b'x'; MAX_BYTES as usize])).await.unwrap();
        let (ours, _theirs) = tokio::io::duplex(16);
        let close = async {
            tokio::task::yield_now().await;
            outbox.close();
        };
        let push = outbox.push(None, Bytes::from_static(b"{}"));
        let ((), pushed, ()) = tokio::join!(outbox.write(ours), push, close);
        assert!(pushed.is_err());
    }
}
