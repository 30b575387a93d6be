//! What waits for the reader of one call: bounded, and filled without waiting.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::dropped;
use crate::call::{Error, Responder};
use crate::mcp::Message;

/// How many messages wait for the reader of a call.
pub(in crate::backends) const MAX_MESSAGES: usize = 256;
/// How many bytes they may have together; a larger message fits alone.
pub(in crate::backends) const MAX_BYTES: usize = 1 << 20;

/// One message of a backend about a call.
#[derive(Debug)]
pub(in crate::backends) enum Item {
    /// `notifications/progress`
    Progress(Message),
    /// `notifications/message`
    Log(Message),
    /// A request to the client.
    Request(Message, Responder),
    /// The response, or why there is none; nothing comes after it.
    End(Result<Message, Error>),
}

/// The messages of one call on their way from the demultiplexer, which never waits, to whoever
/// reads the reply, who may be slow.
///
/// When it is full, progress coalesces (only the newest counts), logs are dropped, and requests
/// are refused. The end of the call always has a place.
#[derive(Debug, Default)]
pub(in crate::backends) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    end: Option<Result<Message, Error>>,
    ended: bool,
    waker: Option<Waker>,
}

impl Queue {
    pub(in crate::backends) fn progress(&self, message: Message) {
        let mut state = self.0.lock();
        if !state.fits(&message) && !state.make_room_for_progress(&message) {
            drop(state);
            return dropped("queue_full");
        }
        state.push(Item::Progress(message)).wake();
    }

    pub(in crate::backends) fn log(&self, message: Message) {
        let mut state = self.0.lock();
        if !state.fits(&message) {
            drop(state);
            return dropped("queue_full");
        }
        state.push(Item::Log(message)).wake();
    }

    pub(in crate::backends) fn request(&self, message: Message, responder: Responder) {
        let mut state = self.0.lock();
        if !state.fits(&message) {
            drop(state); // the refusal is sent from within `refuse`
            return responder.refuse("the client reads too slowly to be asked");
        }
        state.push(Item::Request(message, responder)).wake();
    }

    /// Ends the call; only the first end counts.
    pub(in crate::backends) fn end(&self, end: Result<Message, Error>) {
        let mut state = self.0.lock();
        if state.ended {
            return;
        }
        state.end = Some(end);
        state.ended = true;
        state.wake();
    }

    /// The next message; pending for ever behind the end.
    pub(in crate::backends) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Item> {
        let mut state = self.0.lock();
        if let Some(item) = state.pop() {
            return Poll::Ready(item);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl State {
    fn fits(&self, message: &Message) -> bool {
        !self.ended
            && self.items.len() < MAX_MESSAGES
            && (self.items.is_empty() || self.bytes + message.raw().len() <= MAX_BYTES)
    }

    /// Takes the newest progress out if the next one then fits.
    fn make_room_for_progress(&mut self, next: &Message) -> bool {
        let is_progress = |item: &Item| matches!(item, Item::Progress(_));
        let Some(at) = self.items.iter().rposition(is_progress) else { return false };
        let without = self.bytes - self.items[at].size();
        if self.ended || without + next.raw().len() > MAX_BYTES {
            return false;
        }
        self.items.remove(at);
        self.bytes = without;
        true
    }

    fn push(&mut self, item: Item) -> &mut Self {
        self.bytes += item.size();
        self.items.push_back(item);
        self
    }

    fn pop(&mut self) -> Option<Item> {
        let Some(item) = self.items.pop_front() else {
            return self.end.take().map(Item::End);
        };
        self.bytes -= item.size();
        Some(item)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Progress(message) | Self::Log(message) | Self::Request(message, _) => {
                message.raw().len()
            }
            Self::End(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;

    fn message(text: String) -> Message {
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn progress(number: usize) -> Message {
        message(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"progress":{number}}}}}"#
        ))
    }

    fn log(text: &str) -> Message {
        message(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{text}"}}}}"#
        ))
    }

    fn next(queue: &Queue) -> Option<Item> {
        match queue.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(item) => Some(item),
            Poll::Pending => None,
        }
    }

    fn drain(queue: &Queue) -> Vec<Item> {
        std::iter::from_fn(|| next(queue)).collect()
    }

    #[test]
    fn a_full_queue_keeps_the_newest_progress_in_its_order() {
        let queue = Queue::default();
        (0..500).for_each(|number| queue.progress(progress(number)));
        queue.end(Ok(message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned())));
        let items = drain(&queue);
        assert_eq!(items.len(), MAX_MESSAGES + 1);
        let Item::Progress(last) = &items[MAX_MESSAGES - 1] else { panic!("progress is last") };
        assert_eq!(last.raw(), progress(499).raw());
        let Item::Progress(before) = &items[MAX_MESSAGES - 2] else { panic!("progress") };
        assert_eq!(before.raw(), progress(MAX_MESSAGES - 2).raw());
        assert!(matches!(items[MAX_MESSAGES], Item::End(Ok(_))));
    }

    #[test]
    fn a_full_queue_drops_logs_and_refuses_requests_but_takes_the_end() {
        let queue = Queue::default();
        let half = "x".repeat(MAX_BYTES / 2);
        queue.log(log(&half));
        queue.log(log(&half));
        assert_eq!(queue.0.lock().items.len(), 1, "the second does not fit");
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let responder = Responder::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let big = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":"{half}"}}}}"#);
        queue.request(message(big), responder);
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        queue.end(Ok(message(format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{half}{half}"}}"#))));
        assert!(matches!(drain(&queue).as_slice(), [Item::Log(_), Item::End(Ok(_))]));
    }

    #[test]
    fn a_message_larger_than_the_queue_fits_alone() {
        let queue = Queue::default();
        let text = "x".repeat(2 * MAX_BYTES);
        let big = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":"{text}"}}}}"#);
        queue.request(message(big), Responder::new(|_| {}));
        queue.log(log("does not fit beside it"));
        assert!(matches!(drain(&queue).as_slice(), [Item::Request(..)]));
    }

    #[test]
    fn nothing_comes_behind_the_end() {
        let queue = Queue::default();
        queue.end(Err(Error::Cancelled));
        queue.progress(progress(1));
        queue.end(Ok(message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned())));
        assert!(matches!(drain(&queue).as_slice(), [Item::End(Err(Error::Cancelled))]));
        assert!(next(&queue).is_none());
    }

    #[test]
    fn room_is_given_back_when_messages_are_read() {
        let queue = Queue::default();
        for _ in 0..3 {
            (0..MAX_MESSAGES).for_each(|_| queue.log(log("a")));
            assert_eq!(drain(&queue).len(), MAX_MESSAGES);
        }
        assert_eq!(queue.0.lock().bytes, 0);
    }
}
