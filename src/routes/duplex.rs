//! One session over one connection: messages in, one ordered stream of messages out.
//!
//! HTTP+SSE and stdio are this with different bytes around it. The connection is the session's only
//! one and has no way to come back, so its end ends the session and cancels what runs.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::expiry::{Expiry, notice};
use super::mcp::{Begun, Caller, Ending, Inbound, Mcp, Stack, dropped};
use crate::call::{self, Client, Endpoint};
use crate::error::Error;
use crate::layers::http::limit::Overloaded;
use crate::mcp::{Invalid, Kind, Message, Method, response};
use crate::sessions::{Gone, Listening, Outbox, Relay, Session, State};

/// How many calls of one connection may be under way.
const MAX_CALLS: usize = 256;
/// How many messages of a client wait until those before them were taken.
const MAX_UNHEARD: usize = 64;
/// How many bytes of them wait; a larger message waits alone.
const MAX_UNHEARD_BYTES: u32 = 8 << 20;

/// What a client said, or why it cannot be understood.
pub(super) struct Said {
    /// Who said it.
    pub(super) caller: Caller,
    /// What it was.
    pub(super) what: Result<Inbound, Error>,
    /// Where a request that lacks scopes is refused, instead of on the stream: only there can a
    /// challenge say how to get them.
    pub(super) lacking: Option<Lacking>,
}

/// Takes the refusal of a request that lacks scopes.
pub(super) type Lacking = oneshot::Sender<Error>;

/// A message that waits, and the room that it takes up until it is heard.
pub(super) type Waiting = (Said, OwnedSemaphorePermit);

/// How a client's messages get to its connection, in their order.
#[derive(Clone, Debug)]
pub(super) struct Way {
    said: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl Way {
    /// A way, and its end, where [`Duplex::run`] listens.
    pub(super) fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (said, heard) = mpsc::channel(MAX_UNHEARD);
        (Self { said, room: Arc::new(Semaphore::new(MAX_UNHEARD_BYTES as usize)) }, heard)
    }

    /// Hands over a message of so many bytes, waiting for room.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) async fn send(&self, said: Said, bytes: usize) -> Result<(), Gone> {
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, MAX_UNHEARD_BYTES);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await.map_err(|_| Gone)?;
        self.said.send((said, room)).await.map_err(|_| Gone)
    }
}

/// A client's connection.
pub(super) struct Duplex<S: Stack> {
    mcp: Mcp<S>,
    endpoint: Endpoint,
    outbox: Arc<Outbox>,
    session: Option<(Session, Listening)>,
    calls: Calls,
    expiry: Expiry,
    is_expired: bool,
}

impl<S: Stack> Duplex<S> {
    /// A connection to `endpoint` whose client reads what is in `outbox`.
    pub(super) fn new(mcp: Mcp<S>, endpoint: Endpoint, outbox: Arc<Outbox>) -> Self {
        let (calls, expiry) = (Calls::default(), Expiry::default());
        Self { mcp, endpoint, outbox, session: None, calls, expiry, is_expired: false }
    }

    /// The same for a client that may not read for ever.
    pub(super) fn until(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Serves the client until it has left, or until it says nothing more, or we stop, and all it
    /// asked for is done.
    pub(super) async fn run(mut self, mut said: mpsc::Receiver<Waiting>) {
        let outbox = Arc::clone(&self.outbox);
        let Ending { draining, stopping } = self.mcp.ending.clone();
        let mut expiry = std::mem::take(&mut self.expiry);
        let (mut speaks, mut is_stopped) = (true, false);
        loop {
            let (has_room, is_draining) = (outbox.has_room(), draining.is_cancelled());
            // What was accepted gets an answer, if only that it came too late.
            let is_heard = !speaks || (is_draining && said.is_empty());
            if is_heard && self.calls.is_empty() {
                // What comes from now on is refused, and does not get lost.
                said.close();
                if said.is_empty() {
                    break;
                }
            }
            tokio::select! {
                biased;
                () = outbox.closed() => return,
                () = stopping.cancelled(), if !is_stopped => {
                    is_stopped = true;
                    self.calls.fail(&call::Error::Stopping);
                }
                () = expiry.passed(), if !self.is_expired => {
                    self.is_expired = true;
                    said.close();
                    self.calls.fail(&call::Error::Expired);
                }
                () = draining.cancelled(), if !is_draining => {}
                // A client that does not read is not listened to either.
                () = outbox.room(), if !has_room => {}
                heard = said.recv(), if has_room && speaks => match heard {
                    Some((said, _room)) => self.take(said).await,
                    None => speaks = false,
                },
                message = self.calls.next(), if has_room && !self.calls.is_empty() => {
                    if let Some(message) = message {
                        outbox.answer(message);
                    }
                }
            }
            if !speaks {
                self.refuse_questions();
            }
        }
        outbox.finish(self.is_expired.then(notice));
    }

    async fn take(&mut self, Said { caller, what, lacking }: Said) {
        match what {
            Ok(Inbound::One(message)) => self.one(caller, message, lacking).await,
            Ok(Inbound::Batch(messages)) => self.batch(&caller, messages).await,
            Err(error) => self.refuse(&error),
        }
    }

    /// Each message of a batch is answered by itself: not every client that sends batches can read
    /// them (MCP 2025-03-26 leaves it to the server).
    async fn batch(&mut self, caller: &Caller, messages: Vec<Result<Message, Invalid>>) {
        let allows = |(session, _): &(Session, Listening)| session.version.allows_batches();
        match self.session.as_ref().map(allows) {
            None => return self.refuse(&Error::Uninitialized),
            Some(false) => {
                let error = Error::Batch("batches exist in 2025-03-26 only; send one message");
                return self.refuse(&error);
            }
            Some(true) => {}
        }
        for message in messages {
            match message {
                Ok(message) => self.one(caller.clone(), message, None).await,
                Err(invalid) => self.refuse(&invalid.into()),
            }
        }
    }

    fn refuse(&self, error: &Error) {
        self.outbox.answer(error.to_json_rpc(None));
    }

    async fn one(&mut self, caller: Caller, message: Message, lacking: Option<Lacking>) {
        let id = message.id();
        let taken = match self.session {
            Some((session, _)) => self.message(caller, &session, message, lacking.is_some()),
            None => self.before_session(&caller, message).await,
        };
        let Err(error) = taken else { return };
        let error = match (lacking, error) {
            (Some(lacking), error @ Error::Call(call::Error::Scope { .. })) => {
                // Whoever does not wait for it any more is told on the stream.
                let Err(error) = lacking.send(error) else { return };
                error
            }
            (_, error) => error,
        };
        self.outbox.answer(error.to_json_rpc(id.as_ref()));
    }

    fn message(
        &mut self,
        caller: Caller,
        session: &Session,
        message: Message,
        is_told_at_once: bool,
    ) -> Result<(), Error> {
        match message.kind() {
            Kind::Notification => self.mcp.notification(session, &message),
            Kind::Response => self.mcp.response(session, message),
            Kind::Request if message.method() == Method::Initialize => {
                return Err(Error::Initialized);
            }
            Kind::Request if self.is_expired => return Err(call::Error::Expired.into()),
            Kind::Request if self.mcp.ending.draining.is_cancelled() => {
                return Err(Error::Draining);
            }
            Kind::Request if self.calls.len() >= MAX_CALLS => {
                return Err(Overloaded::new(MAX_CALLS).into());
            }
            Kind::Request => match self.mcp.begin(caller, session, &self.endpoint, message)? {
                Begun::Message(message) => self.outbox.answer(message),
                Begun::Call(mut relay) => {
                    if is_told_at_once && let Some(error) = relay.failed_at_once() {
                        return Err(error.into());
                    }
                    if let Some((_, listening)) = &self.session {
                        self.calls.add(*relay, listening.state());
                    }
                }
            },
        }
        Ok(())
    }

    /// Until the client has said who it is there is little to say (MCP 2025-11-25, Lifecycle).
    async fn before_session(&mut self, caller: &Caller, message: Message) -> Result<(), Error> {
        match (message.kind(), message.method()) {
            (Kind::Request, Method::Initialize) => {
                let hello = self.mcp.hello(&caller.principal, &self.endpoint, &message);
                let (session, hello) = hello.await?;
                let listening = self.listen(caller, &session)?;
                self.outbox.answer(hello);
                self.session = Some((session, listening));
            }
            (Kind::Request, Method::Ping) => {
                let id = message.id().expect("a request has an id");
                self.outbox.answer(response::result(&id, b"{}"));
            }
            // A client that knows other revisions asks for them first, and goes on when there are none.
            (Kind::Request, Method::Other) => {
                return Err(call::Error::UnknownMethod(message.method_name().into()).into());
            }
            (Kind::Request, _) => return Err(Error::Uninitialized),
            (Kind::Notification | Kind::Response, _) => dropped("uninitialized"),
        }
        Ok(())
    }

    /// From now on the client hears what it did not ask for.
    fn listen(&self, caller: &Caller, session: &Session) -> Result<Listening, Error> {
        let client = Client {
            capabilities: session.capabilities,
            log_level: None,
            session: Some(session.id),
        };
        let view = self.mcp.shared.catalogue.view(&client, &caller.principal);
        let state = self.mcp.shared.sessions.state(session.id)?;
        Ok(state.listen_only_on(Arc::clone(&self.outbox), self.endpoint.clone(), view))
    }

    /// A client that says nothing more will answer nothing.
    fn refuse_questions(&self) {
        let sessions = &self.mcp.shared.sessions;
        let session = self.session.as_ref().map(|(session, _)| session.id);
        if let Some(state) = session.and_then(|session| sessions.existing_state(session)) {
            state.asked().close();
        }
    }
}

impl<S: Stack> Drop for Duplex<S> {
    fn drop(&mut self) {
        let Some((session, _)) = self.session.take() else { return };
        self.mcp.shared.sessions.end(session.id);
        self.mcp.shared.registry.evict_session(session.id);
    }
}

/// The calls under way, which take turns.
#[derive(Default)]
struct Calls {
    running: Vec<Relay>,
    turn: usize,
}

impl Calls {
    fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    fn len(&self) -> usize {
        self.running.len()
    }

    fn add(&mut self, mut relay: Relay, state: &Arc<State>) {
        relay.open_bare(Arc::clone(state));
        self.running.push(relay);
    }

    /// Ends all with an error as their last word.
    fn fail(&mut self, error: &call::Error) {
        self.running.iter_mut().for_each(|relay| relay.fail(error));
    }

    /// The next message of any; `None` once all are done.
    async fn next(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        for _ in 0..self.running.len() {
            let at = self.turn % self.running.len();
            match self.running[at].poll_frame(cx) {
                Poll::Ready(None) => drop(self.running.swap_remove(at)),
                Poll::Ready(message) => {
                    self.turn = at + 1;
                    return Poll::Ready(message);
                }
                Poll::Pending => self.turn = at + 1,
            }
        }
        if self.running.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}
