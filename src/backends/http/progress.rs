//! Progress that a server reports on its GET stream instead of the call's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::dropped;
use crate::backends::relay::progress_wire_id;
use crate::mcp::Message;

/// How many reports wait for a call; more are dropped, the next one says more anyway.
const WAITING: usize = 16;

/// The running calls whose callers want to hear of progress, by their ids on the wire.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<u64, mpsc::Sender<Message>>>>);

/// A call's place among the running ones; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Reports {
    running: Running,
    wire_id: u64,
    receiver: mpsc::Receiver<Message>,
}

impl Running {
    /// Takes reports for a call from now on.
    pub(super) fn enter(&self, wire_id: u64) -> Reports {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.0.lock().insert(wire_id, sender);
        Reports { running: self.clone(), wire_id, receiver }
    }

    /// Hands a report to the call that it speaks of.
    pub(super) fn report(&self, progress: Message) {
        let call = progress_wire_id(&progress).and_then(|id| self.0.lock().get(&id).cloned());
        match call {
            None => dropped("unknown_progress_token"),
            Some(call) if call.try_send(progress).is_err() => dropped("queue_full"),
            Some(_) => {}
        }
    }
}

impl Reports {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        match self.receiver.poll_recv(cx) {
            Poll::Ready(Some(report)) => Poll::Ready(report),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.wire_id);
    }
}
