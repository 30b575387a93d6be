//! One call on its way back to the client.
//!
//! Only here are events consumed: requests of the backend get ids of ours and wait for their
//! answer, log messages pass the client's level, errors become the last message. The HTTP body
//! drives a relay; so does the keeper, when the client has gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::Stream as _;
use tokio::sync::mpsc;

use super::Sessions;
use super::log::Log;
use super::running::Claim;
use super::state::State;
use crate::call::{Body, Error, Event, Events, Notes, Reply, Responder, SessionId};
use crate::mcp::method::notification;
use crate::mcp::{Capabilities, LogLevel, Message, ProtocolVersion, RequestId, sse};

/// How many withdrawn questions wait for a client that reads slowly.
const MAX_WITHDRAWN: usize = 16;

/// The future of the call stack, boxed once so that it can outlive the connection it was made on.
pub type Working = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;
/// Writes an error as a JSON-RPC response.
pub type Render = fn(Option<&RequestId>, &Error) -> Bytes;

/// What is known about the client a relay speaks to.
pub struct Listener {
    /// The revision it speaks.
    pub version: ProtocolVersion,
    /// What backends may ask of it.
    pub capabilities: Capabilities,
    /// Its session, whose state is made when a stream needs it; `None` for a client without one.
    pub session: Option<(Arc<Sessions>, SessionId)>,
    /// The least severe log messages it wants.
    pub log_level: Option<LogLevel>,
    /// What is found out about the call on its way.
    pub notes: Arc<Notes>,
    /// Lets it cancel the call.
    pub claim: Option<Claim>,
}

/// A call under way and the client that waits for it.
pub struct Relay {
    work: Work,
    id: RequestId,
    render: Render,
    listener: Listener,
    stream: Stream,
    asked: Vec<u64>,
    /// Questions that the backend withdrew, as the client is to hear of it.
    withdrawn: Option<(mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>)>,
}

/// What the client reads.
enum Stream {
    /// Nothing is known of it: frames without ids.
    Unknown,
    /// Frames, which are kept for a client that comes back.
    Kept(Arc<State>, Arc<Log>),
    /// Bare messages.
    Bare(Arc<State>),
}

impl Stream {
    fn state(&self) -> Option<&Arc<State>> {
        match self {
            Self::Kept(state, _) | Self::Bare(state) => Some(state),
            Self::Unknown => None,
        }
    }
}

enum Work {
    Pending(Working),
    Streaming(Events),
    /// The last frame, ready.
    Last(Bytes),
    Done,
}

/// What the head of the HTTP response depends on.
#[derive(Debug)]
pub enum Head {
    /// The answer is this one message.
    Message(Bytes),
    /// There is no reply; nothing was streamed yet.
    Failed(Error),
    /// A stream of frames follows.
    Stream,
    /// The client cancelled: there is no answer.
    Cancelled,
}

impl Relay {
    /// A call that has just begun.
    pub fn new(working: Working, id: RequestId, render: Render, listener: Listener) -> Self {
        let work = Work::Pending(working);
        let stream = Stream::Unknown;
        Self { work, id, render, listener, stream, asked: Vec::new(), withdrawn: None }
    }

    /// Whether the work goes on when the client's connection ends: a legacy client's does, a modern
    /// one cancels by leaving.
    pub fn survives_disconnect(&self) -> bool {
        !self.listener.version.is_modern() && !matches!(self.work, Work::Done | Work::Last(_))
    }

    /// Ends the call with an error as its last message; the work behind it is dropped.
    pub fn fail(&mut self, error: &Error) {
        if !matches!(self.work, Work::Done | Work::Last(_)) {
            self.work = Work::Last((self.render)(Some(&self.id), error));
        }
    }

    /// Waits until it is known what kind of response this becomes.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Head> {
        if self.poll_cancelled(cx) {
            return Poll::Ready(Head::Cancelled);
        }
        let Work::Pending(working) = &mut self.work else { return Poll::Ready(Head::Stream) };
        match ready!(working.as_mut().poll(cx)).map(Reply::into_body) {
            Ok(Body::Message(response)) => {
                self.work = Work::Done;
                Poll::Ready(Head::Message(response.bytes))
            }
            Ok(Body::Stream(events)) => {
                self.work = Work::Streaming(events);
                Poll::Ready(Head::Stream)
            }
            Err(error) => {
                self.work = Work::Done;
                Poll::Ready(Head::Failed(error))
            }
        }
    }

    /// The error that the call has failed with as soon as it was made. If it has not, nothing of
    /// what follows is lost.
    pub fn failed_at_once(&mut self) -> Option<Error> {
        match self.poll_head(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Head::Failed(error)) => return Some(error),
            Poll::Ready(Head::Message(message)) => self.work = Work::Last(message),
            Poll::Ready(Head::Stream | Head::Cancelled) | Poll::Pending => {}
        }
        None
    }

    /// The response becomes a stream: the frame that opens it, if the client's revision has one.
    ///
    /// Where too many sessions are in use the call, which has begun, goes on all the same; only its
    /// stream cannot be taken up again, nor its client be asked.
    pub fn open_stream(&mut self) -> Option<Bytes> {
        let (sessions, id) = self.listener.session.as_ref()?;
        let Ok(state) = sessions.state(*id) else {
            metrics::counter!("portcullis_dropped_total", "reason" => "too_many_sessions")
                .increment(1);
            return None;
        };
        let log = state.new_stream();
        let priming = self.listener.version.has_priming_events().then(|| log.priming(None));
        self.stream = Stream::Kept(state, log);
        priming
    }

    /// The response goes among others onto a stream that is open already: what follows are bare
    /// messages, and nothing is kept of them.
    pub fn open_bare(&mut self, state: Arc<State>) {
        self.stream = Stream::Bare(state);
    }

    /// The next frame of the stream, or message of a bare one; `None` at its end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some((_, receiver)) = &mut self.withdrawn
            && let Poll::Ready(Some(word)) = receiver.poll_recv(cx)
        {
            return Poll::Ready(Some(self.frame(&word)));
        }
        loop {
            match std::mem::replace(&mut self.work, Work::Done) {
                Work::Done => {
                    self.end();
                    return Poll::Ready(None);
                }
                Work::Last(message) => return Poll::Ready(Some(self.frame(&message))),
                Work::Pending(working) => {
                    self.work = Work::Pending(working);
                    match ready!(self.poll_head(cx)) {
                        Head::Message(message) => self.work = Work::Last(message),
                        Head::Failed(error) => {
                            self.work = Work::Last((self.render)(Some(&self.id), &error));
                        }
                        Head::Stream | Head::Cancelled => {}
                    }
                }
                Work::Streaming(mut events) => {
                    if self.poll_cancelled(cx) {
                        continue;
                    }
                    match Pin::new(&mut events).poll_next(cx) {
                        Poll::Pending => {
                            self.work = Work::Streaming(events);
                            return Poll::Pending;
                        }
                        Poll::Ready(event) => {
                            if let Some(frame) = self.take_event(event, events) {
                                return Poll::Ready(Some(frame));
                            }
                        }
                    }
                }
            }
        }
    }

    fn take_event(&mut self, event: Option<Result<Event, Error>>, events: Events) -> Option<Bytes> {
        let message = match event {
            Some(Ok(Event::Response(response))) => {
                // What a child asks while a call runs need not be about this call: over a pipe
                // nobody can tell. Its answer may come after ours, so its question stays open.
                self.asked.clear();
                // What was withdrawn before the response is told before it.
                let withdrawn =
                    self.withdrawn.as_mut().and_then(|(_, words)| words.try_recv().ok());
                if let Some(word) = withdrawn {
                    self.work = Work::Last(response.bytes);
                    return Some(self.frame(&word));
                }
                response.bytes
            }
            Some(Err(error)) => (self.render)(Some(&self.id), &error),
            // A backend's stream owes a response; without one the client would wait for ever.
            None => (self.render)(Some(&self.id), &Error::NoResponse),
            Some(Ok(Event::Notification(message))) => {
                self.work = Work::Streaming(events);
                return self.wants(&message).then(|| self.frame(&message));
            }
            Some(Ok(Event::Request(request, responder))) => {
                self.work = Work::Streaming(events);
                return self.ask(request, responder);
            }
        };
        Some(self.frame(&message))
    }

    /// Asks the client; a client without a session has no way to answer.
    fn ask(&mut self, request: Bytes, responder: Responder) -> Option<Bytes> {
        let state = self.stream.state()?;
        let message = Message::parse(request.clone()).ok()?;
        if !self.listener.capabilities.allow(&message) {
            responder.refuse(Capabilities::NOT_DECLARED);
            return None;
        }
        let (number, request) = state.asked().register(state.home(), request, responder)?;
        self.asked.push(number);
        let (sender, _) = self.withdrawn.get_or_insert_with(|| mpsc::channel(MAX_WITHDRAWN));
        let sender = sender.clone();
        // Full only if the client does not read; then it reads of the answer's fate soon enough.
        state.asked().on_withdrawn(state.home(), number, move |word| drop(sender.try_send(word)));
        if let (Some((sessions, session)), Some(backend)) =
            (&self.listener.session, self.listener.notes.backend.get())
        {
            sessions.elicited.asked(backend, &message, *session);
        }
        Some(self.frame(&request))
    }

    /// Whether the client's log level lets a notification pass.
    fn wants(&self, notification: &Bytes) -> bool {
        self.listener.log_level.is_none()
            || Message::parse(notification.clone())
                .map_or(true, |message| passes_level(&message, self.listener.log_level))
    }

    fn frame(&self, message: &Bytes) -> Bytes {
        match &self.stream {
            Stream::Kept(_, log) => log.push(message),
            Stream::Bare(_) => message.clone(),
            Stream::Unknown => sse::encode(message, None),
        }
    }

    fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        let cancelled =
            self.listener.claim.as_ref().is_some_and(|claim| claim.poll_cancelled(cx).is_ready());
        if cancelled {
            self.work = Work::Done;
        }
        cancelled
    }

    fn end(&mut self) {
        self.listener.claim = None;
        if let Some(state) = self.stream.state() {
            for number in self.asked.drain(..) {
                state.asked().forget(number);
            }
        }
        if let Stream::Kept(_, log) = &self.stream {
            log.end();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a client that asked for `wanted` gets a notification; only log messages have a level.
pub(super) fn passes_level(notification: &Message, wanted: Option<LogLevel>) -> bool {
    let Some(wanted) = wanted else { return true };
    notification.method_name() != notification::MESSAGE
        || level_of(notification).is_none_or(|level| level >= wanted)
}

fn level_of(message: &Message) -> Option<LogLevel> {
    #[derive(serde::Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        level: std::borrow::Cow<'a, str>,
    }
    let params: Params<'_> = serde_json::from_slice(message.params()?).ok()?;
    LogLevel::parse(&params.level)
}
