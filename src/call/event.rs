//! What a backend says while a call is under way.

use std::sync::Arc;

use bytes::Bytes;

use super::{Aside, Outcome};
use crate::mcp::{Message, Span};

/// One message of a streamed reply, with the ids and tokens of the call's originator.
#[derive(Debug)]
pub enum Event {
    /// A notification that belongs to the call: progress, a log message.
    Notification(Bytes),
    /// A request of the backend to the client, under the backend's id, and the way to answer it.
    Request(Bytes, Responder),
    /// The response; the stream ends with it.
    Response(Response),
}

/// The response to a call, with the client's id.
#[derive(Clone, Debug)]
pub struct Response {
    /// The whole JSON-RPC message.
    pub bytes: Bytes,
    /// What it says about the call.
    pub outcome: Outcome,
    /// Where its result stands, if it has one and that is known.
    pub result: Option<Span>,
}

impl Response {
    /// A response with a result that is no tool error.
    pub fn ok(bytes: Bytes) -> Self {
        Self { bytes, outcome: Outcome::Ok, result: None }
    }
}

/// What becomes of a backend's request to the client.
#[derive(Debug)]
pub enum Answer {
    /// The client's response, under whatever id; whoever relays it puts the backend's id back.
    Response(Message),
    /// Nobody can answer: the client left, cannot do this, or did not answer in time.
    Refused(&'static str),
}

/// The way back for the answer to a backend's request.
///
/// Dropped unused, it answers with an error: no backend waits for ever.
pub struct Responder {
    send: Option<Box<dyn FnOnce(Answer) + Send>>,
    aside: Option<Arc<Aside>>,
}

impl Responder {
    /// A responder that hands the one answer to `send`, which must not block.
    pub fn new(send: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self { send: Some(Box::new(send)), aside: None }
    }

    /// The same, with a line to the backend for what is said beside the answer.
    #[must_use]
    pub fn with_aside(mut self, aside: Option<Arc<Aside>>) -> Self {
        self.aside = aside;
        self
    }

    /// The line for what is said beside the answer.
    pub fn aside(&self) -> Option<&Arc<Aside>> {
        self.aside.as_ref()
    }

    /// Answers with the client's response.
    pub fn respond(mut self, response: Message) {
        self.send(Answer::Response(response));
    }

    /// Answers with an error that says why nobody can.
    pub fn refuse(mut self, reason: &'static str) {
        self.send(Answer::Refused(reason));
    }

    fn send(&mut self, answer: Answer) {
        if let Some(send) = self.send.take() {
            send(answer);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.send(Answer::Refused("the client did not answer"));
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Responder")
    }
}
