//! Requests under way on one connection: ids, who waits for which, and the end of it all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::dropped;
use super::outbox::Outbox;
use super::queue::{Item, Queue};
use crate::backends::questions::Questions;
use crate::backends::relay;
use crate::call::{Answer, Error, Responder};
use crate::mcp::splice::quoted;
use crate::mcp::{Message, RequestId, response};

/// How many ids of requests that were given up are remembered, to know their late responses.
const REMEMBERED: usize = 256;

/// What callers and the demultiplexer share.
#[derive(Debug)]
pub(in crate::backends) struct Wire {
    pub(in crate::backends) backend: Arc<str>,
    pub(in crate::backends) outbox: Outbox,
    pub(in crate::backends) questions: Questions,
    next_id: AtomicU64,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    running: HashMap<u64, Running>,
    given_up: VecDeque<u64>,
    ended: Option<Error>,
}

#[derive(Debug)]
struct Running {
    queue: Arc<Queue>,
    /// A client's request, not one of our own.
    is_clients: bool,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends) enum Whose {
    /// A client waits for it, and can be asked in its course.
    Clients,
    /// Ours.
    Ours,
    /// Ours, and one that must not be cancelled (MCP 2025-11-25, Cancellation: `initialize`).
    Initialize,
}

impl Wire {
    pub(in crate::backends) fn new(backend: Arc<str>) -> Self {
        Self {
            backend,
            outbox: Outbox::new(),
            questions: Questions::default(),
            next_id: AtomicU64::new(1),
            calls: Mutex::default(),
        }
    }

    /// Starts waiting for a response, under a new id.
    pub(in crate::backends) fn register(self: &Arc<Self>, whose: Whose) -> Result<Pending, Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::<Queue>::default();
        let running = Running { queue: Arc::clone(&queue), is_clients: whose == Whose::Clients };
        let mut calls = self.calls.lock();
        if let Some(error) = &calls.ended {
            return Err(error.clone());
        }
        calls.running.insert(id, running);
        Ok(Pending { wire: Arc::clone(self), id, queue, whose })
    }

    /// Sends a request of our own and waits for its response.
    pub(in crate::backends) async fn request(
        self: &Arc<Self>,
        whose: Whose,
        method: &str,
        params: Option<&serde_json::Value>,
    ) -> Result<Message, Error> {
        let pending = self.register(whose)?;
        pending.send(request(pending.id, method, params)).await;
        loop {
            match std::future::poll_fn(|cx| pending.queue.poll_next(cx)).await {
                Item::End(end) => return end,
                // Nobody waits for progress, and a dropped responder refuses.
                Item::Progress(_) | Item::Log(_) | Item::Request(..) => {}
            }
        }
    }

    /// Hands a response to whoever waits for it.
    pub(in crate::backends) fn respond(&self, response: Message) {
        let Some(id) = response.id().and_then(|id| id.as_u64()) else {
            tracing::debug!(backend = %self.backend, "response under an id that is not ours");
            return dropped("unknown_id");
        };
        self.end_call(id, Ok(response));
    }

    /// Ends one call.
    pub(in crate::backends) fn end_call(&self, id: u64, end: Result<Message, Error>) {
        let mut calls = self.calls.lock();
        let Some(running) = calls.running.remove(&id) else {
            let reason = if let Some(at) = calls.given_up.iter().position(|late| *late == id) {
                calls.given_up.remove(at);
                "late_response"
            } else if id < self.next_id.load(Ordering::Relaxed) {
                "duplicate_response"
            } else {
                "unknown_id"
            };
            drop(calls);
            tracing::debug!(backend = %self.backend, id, reason, "dropped a response");
            return dropped(reason);
        };
        drop(calls);
        running.queue.end(end);
    }

    /// The queue of a running request.
    pub(in crate::backends) fn queue_of(&self, id: u64) -> Option<Arc<Queue>> {
        self.calls.lock().running.get(&id).map(|running| Arc::clone(&running.queue))
    }

    /// The queue of the client's call that runs, if it is only one.
    pub(in crate::backends) fn only_call(&self) -> Option<Arc<Queue>> {
        let calls = self.calls.lock();
        let mut clients = calls.running.values().filter(|running| running.is_clients);
        let only = clients.next()?;
        clients.next().is_none().then(|| Arc::clone(&only.queue))
    }

    /// The queue of the client's call that started last.
    pub(in crate::backends) fn newest_call(&self) -> Option<Arc<Queue>> {
        let calls = self.calls.lock();
        let clients = calls.running.iter().filter(|(_, running)| running.is_clients);
        clients.max_by_key(|(id, _)| **id).map(|(_, running)| Arc::clone(&running.queue))
    }

    /// The way back for the answer to a request of the backend.
    pub(in crate::backends) fn responder(self: &Arc<Self>, id: RequestId) -> Responder {
        let (wire, reports) = (Arc::clone(self), Arc::clone(self));
        let aside = self.questions.ask(id.clone(), move |report| reports.outbox.offer(report));
        let responder = Responder::new(move |answer| {
            wire.outbox.offer(match answer {
                Answer::Response(message) => message.with_id(id.as_bytes()),
                Answer::Refused(reason) => {
                    response::error(Some(&id), response::code::INTERNAL_ERROR, reason, None)
                }
            });
        });
        responder.with_aside(Some(aside))
    }

    /// What all calls end with, once the connection has ended.
    pub(in crate::backends) fn ended(&self) -> Option<Error> {
        self.calls.lock().ended.clone()
    }

    /// Ends all calls, those that are still to come too.
    pub(in crate::backends) fn end(&self, error: &Error) {
        self.outbox.close();
        let mut calls = self.calls.lock();
        calls.ended = Some(error.clone());
        let running = std::mem::take(&mut calls.running);
        drop(calls);
        for call in running.into_values() {
            call.queue.end(Err(error.clone()));
        }
    }
}

fn request(id: u64, method: &str, params: Option<&serde_json::Value>) -> Bytes {
    let mut out = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"#).into_bytes();
    out.extend_from_slice(&quoted(method));
    if let Some(params) = params {
        out.extend_from_slice(br#","params":"#);
        out.extend_from_slice(params.to_string().as_bytes());
    }
    out.push(b'}');
    out.into()
}

/// A request that waits for its response; dropped before that, it is cancelled.
#[derive(Debug)]
pub(in crate::backends) struct Pending {
    wire: Arc<Wire>,
    pub(in crate::backends) id: u64,
    pub(in crate::backends) queue: Arc<Queue>,
    whose: Whose,
}

impl Pending {
    /// Sends the request, waiting for room.
    pub(in crate::backends) async fn send(&self, request: Bytes) {
        // An outbox is closed shortly before its connection ends, and that end comes by the queue.
        self.wire.outbox.push(self.id, request).await.ok();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut calls = self.wire.calls.lock();
        if calls.running.remove(&self.id).is_none() {
            return;
        }
        if calls.given_up.len() == REMEMBERED {
            calls.given_up.pop_front();
        }
        calls.given_up.push_back(self.id);
        drop(calls);
        if self.whose != Whose::Initialize {
            self.wire.outbox.take_back(self.id, relay::cancelled(self.id));
        }
    }
}
