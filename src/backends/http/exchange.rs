//! A request under way: what the backend says until it has answered.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time;

use super::clock::Clock;
use super::connection::Connection;
use super::dropped;
use super::listen::resume;
use super::progress::Reports;
use crate::backends::MAX_MESSAGE_BYTES;
use crate::backends::relay::{cancelled, progress_wire_id};
use crate::backends::remote::{Broken, Messages};
use crate::call::{Error, Responder};
use crate::mcp::message::Kind;
use crate::mcp::method::notification;
use crate::mcp::{Message, Method};
use crate::outbound::Client;

/// How long the end of a stream is waited for after its response, to keep the TCP connection.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the backend says about a request.
#[derive(Debug)]
pub(super) enum Said {
    Notification(Message),
    Request(Message),
    Response(Message),
}

/// A request under way. It polls the network only when it is polled, so a backend is heard as
/// fast as its caller listens.
pub(super) struct Exchange {
    client: Client,
    cancel: Cancel,
    clock: Clock,
    reports: Option<Reports>,
    queue: VecDeque<Message>,
    source: Source,
}

enum Source {
    Stream(Box<Messages>),
    Resuming(Pin<Box<dyn Future<Output = Result<Box<Messages>, Error>> + Send>>),
    /// Nothing more comes.
    Ended,
}

impl Exchange {
    pub(super) fn new(
        client: Client,
        cancel: Cancel,
        clock: Clock,
        reports: Option<Reports>,
        stream: Option<Box<Messages>>,
        queue: VecDeque<Message>,
    ) -> Self {
        let source = stream.map_or(Source::Ended, Source::Stream);
        Self { client, cancel, clock, reports, queue, source }
    }

    /// What is said next. The response and an error are the last.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Said, Error>> {
        loop {
            let message = match self.poll_message(cx) {
                Poll::Ready(Ok(message)) => message,
                Poll::Ready(Err(error)) => {
                    self.cancel.disarm();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    let after = ready!(self.clock.poll(cx));
                    self.source = Source::Ended;
                    let backend = self.connection().endpoint.name();
                    return Poll::Ready(Err(Error::Timeout { backend, after }));
                }
            };
            self.clock.touch();
            if let Some(said) = self.sort(message) {
                if matches!(said, Said::Response(_)) {
                    self.cancel.disarm();
                    self.let_go(cx);
                }
                return Poll::Ready(Ok(said));
            }
        }
    }

    pub(super) async fn next(&mut self) -> Result<Said, Error> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The way back for the answer to a request; until then the backend may be silent.
    pub(super) fn ask(&mut self, request: &Message) -> Responder {
        let question = self.clock.ask();
        self.connection().responder(request, question)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            if let Some(reports) = &mut self.reports
                && let Poll::Ready(report) = reports.poll_next(cx)
            {
                return Poll::Ready(Ok(report));
            }
            if let Some(message) = self.queue.pop_front() {
                return Poll::Ready(Ok(message));
            }
            match &mut self.source {
                Source::Stream(messages) => match ready!(messages.poll_next(cx)) {
                    Ok(Some(message)) => return Poll::Ready(Ok(message)),
                    Ok(None) => self.resume("its event stream ended without a response")?,
                    Err(Broken::Lost(how)) => self.resume(&how)?,
                    Err(Broken::TooLarge) => {
                        let detail = format!("an event of more than {MAX_MESSAGE_BYTES} bytes");
                        self.source = Source::Ended;
                        return Poll::Ready(Err(self.connection().endpoint.bad_answer(detail)));
                    }
                },
                Source::Resuming(resuming) => {
                    let messages = ready!(resuming.as_mut().poll(cx))?;
                    self.source = Source::Stream(messages);
                }
                Source::Ended => {
                    let detail = "there is no response to the request in it";
                    return Poll::Ready(Err(self.connection().endpoint.bad_answer(detail)));
                }
            }
        }
    }

    /// Takes the stream up where it ended, if the server gave its events ids.
    fn resume(&mut self, why: &str) -> Result<(), Error> {
        let connection = Arc::clone(self.connection());
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Stream(messages) if messages.cursor.last_event_id.is_some() => {
                let (client, cursor) = (self.client.clone(), messages.cursor.clone());
                let resuming = async move { resume(&connection, &client, cursor).await };
                self.source = Source::Resuming(Box::pin(resuming));
                Ok(())
            }
            _ => Err(connection.endpoint.lost(why)),
        }
    }

    /// What of this is for the caller; the rest is dealt with here.
    fn sort(&self, message: Message) -> Option<Said> {
        match message.kind() {
            Kind::Response if is_response_to(&message, self.cancel.wire_id) => {
                Some(Said::Response(message))
            }
            Kind::Response => {
                dropped("unknown_id");
                None
            }
            Kind::Request if message.method() == Method::Ping => {
                self.connection().pong(&message);
                None
            }
            Kind::Request => Some(Said::Request(message)),
            Kind::Notification => match message.method_name() {
                notification::PROGRESS
                    if progress_wire_id(&message) == Some(self.cancel.wire_id) =>
                {
                    Some(Said::Notification(message))
                }
                notification::PROGRESS
                | notification::CANCELLED
                | notification::TOOLS_CHANGED
                | notification::PROMPTS_CHANGED
                | notification::RESOURCES_CHANGED
                | notification::RESOURCE_UPDATED => {
                    self.connection().take_unsolicited(message);
                    None
                }
                _ => Some(Said::Notification(message)),
            },
        }
    }

    /// Reads what is left of the stream, which is nothing as a rule: one that is read to its end
    /// gives its TCP connection back, one that is dropped closes it.
    fn let_go(&mut self, cx: &mut Context<'_>) {
        let Source::Stream(mut messages) = std::mem::replace(&mut self.source, Source::Ended)
        else {
            return;
        };
        match messages.poll_next(cx) {
            Poll::Ready(Ok(None) | Err(_)) => {}
            Poll::Ready(Ok(Some(message))) => late(self.connection(), message),
            Poll::Pending => {
                let connection = Arc::clone(self.connection());
                self.client.tasks().spawn(async move {
                    let _ = time::timeout(LAST_WORDS, async {
                        while let Ok(Some(message)) = messages.next().await {
                            late(&connection, message);
                        }
                    })
                    .await;
                });
            }
        }
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.cancel.connection
    }
}

/// Takes what comes on a call's stream after its response.
fn late(connection: &Arc<Connection>, message: Message) {
    match message.kind() {
        Kind::Response => dropped("duplicate_response"),
        Kind::Request | Kind::Notification => connection.take_unsolicited(message),
    }
}

/// Whether a message is the response to the request of that id; an error without an id can mean
/// no other request than the one whose answer it came in.
pub(super) fn is_response_to(message: &Message, wire_id: u64) -> bool {
    let is_ours = |id: &[u8]| id == b"null" || id == itoa::Buffer::new().format(wire_id).as_bytes();
    message.kind() == Kind::Response
        && message.id_span().is_none_or(|id| is_ours(message.bytes(id)))
}

/// Tells the backend that a request is given up, unless it has been answered.
pub(super) struct Cancel {
    connection: Arc<Connection>,
    wire_id: u64,
    is_armed: bool,
}

impl Cancel {
    pub(super) fn new(connection: &Arc<Connection>, wire_id: u64) -> Self {
        Self { connection: Arc::clone(connection), wire_id, is_armed: true }
    }

    pub(super) fn disarm(&mut self) {
        self.is_armed = false;
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        if self.is_armed && !self.connection.closed.is_cancelled() {
            self.connection.post_later(cancelled(self.wire_id));
        }
    }
}
