//! What the backend says that belongs to no call, and answers to what it asks.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;

use super::connection::Connection;
use super::dropped;
use crate::backends::Unsolicited;
use crate::call::{Answer, Responder};
use crate::mcp::message::Kind;
use crate::mcp::method::notification;
use crate::mcp::response::{self, code};
use crate::mcp::{Message, Method};

impl Connection {
    /// Takes a message that came outside of any call's stream.
    pub(super) fn take_unsolicited(self: &Arc<Self>, message: Message) {
        match message.kind() {
            Kind::Response => dropped("unknown_id"),
            Kind::Request if message.method() == Method::Ping => self.pong(&message),
            Kind::Request => {
                let responder = self.responder(&message, ());
                self.deliver(Unsolicited::Request(message, responder));
            }
            Kind::Notification => match message.method_name() {
                notification::PROGRESS => self.running.report(message),
                notification::CANCELLED => self.questions.withdraw(&message),
                _ => self.deliver(Unsolicited::Notification(message)),
            },
        }
    }

    /// Hands something to whoever reads the inbox.
    pub(super) fn deliver(&self, unsolicited: Unsolicited) {
        let inbox = self.inbox.lock().clone();
        let Some(inbox) = inbox else { return dropped("connection_closed") };
        match inbox.try_send(unsolicited) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => dropped("connection_closed"),
            Err(TrySendError::Full(Unsolicited::Notification(_))) => dropped("queue_full"),
            Err(TrySendError::Full(Unsolicited::Request(_, responder))) => {
                dropped("queue_full");
                responder.refuse("too many requests of this server are waiting");
            }
            // It may not be lost: what is known of the backend hangs on it.
            Err(TrySendError::Full(reinitialized @ Unsolicited::Reinitialized)) => {
                self.background.spawn(async move {
                    let _ = inbox.send(reinitialized).await;
                });
            }
        }
    }

    /// The way back for the answer to a request of the backend; `until` is dropped with it.
    pub(super) fn responder(
        self: &Arc<Self>,
        request: &Message,
        until: impl Send + 'static,
    ) -> Responder {
        let (connection, id) = (Arc::clone(self), request.id());
        let aside = id.clone().map(|id| {
            let connection = Arc::downgrade(self);
            self.questions.ask(id, move |report| {
                if let Some(connection) = connection.upgrade() {
                    connection.post_later(report);
                }
            })
        });
        // In the background, because whoever answers may be gone before it is sent.
        let responder = Responder::new(move |answer| {
            let Some(id) = id else { return };
            connection.post_later(match answer {
                Answer::Response(message) => message.with_id(id.as_bytes()),
                Answer::Refused(reason) => {
                    response::error(Some(&id), code::INTERNAL_ERROR, reason, None)
                }
            });
            drop(until);
        });
        responder.with_aside(aside)
    }

    /// Answers a `ping`.
    pub(super) fn pong(self: &Arc<Self>, ping: &Message) {
        if let Some(id) = ping.id() {
            self.post_later(response::result(&id, b"{}"));
        }
    }
}
