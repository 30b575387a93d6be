//! Everything the backend says, on its way to whoever it is for. Nothing here waits.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::dropped;
use super::wire::Wire;
use crate::backends::relay::progress_wire_id;
use crate::backends::{Isolation, Unsolicited};
use crate::call::{Error, Responder};
use crate::mcp::message::{Invalid, Kind};
use crate::mcp::method::notification;
use crate::mcp::{Message, Method, RequestId, response};

/// How much of what is no message is logged.
const EXCERPT_CHARS: usize = 120;

/// Why a request of a backend on a shared connection goes to nobody.
const SHARED: &str = "this backend is shared by several clients; set spec.gateway.isolation: \
                      session to let it ask them";

/// Tells apart what one backend says.
#[derive(Debug)]
pub(in crate::backends) struct Demux {
    wire: Arc<Wire>,
    isolation: Isolation,
    inbox: mpsc::Sender<Unsolicited>,
    /// What a server should do that says what is no message.
    advice: &'static str,
    garbage_was_logged: bool,
}

impl Demux {
    pub(in crate::backends) fn new(
        wire: Arc<Wire>,
        isolation: Isolation,
        inbox: mpsc::Sender<Unsolicited>,
        advice: &'static str,
    ) -> Self {
        Self { wire, isolation, inbox, advice, garbage_was_logged: false }
    }

    /// Takes what came in one piece: a message, or a batch of them.
    pub(in crate::backends) fn take(&mut self, piece: &Bytes) {
        match piece.trim_ascii_start().first() {
            None => {}
            Some(b'[') => self.batch(piece),
            Some(_) => self.parse(piece),
        }
    }

    /// A batch of revision 2025-03-26; its messages are independent of each other.
    fn batch(&mut self, piece: &Bytes) {
        let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(piece) else {
            return self.garbage(piece, "not valid JSON");
        };
        for message in messages {
            self.parse(&piece.slice_ref(message.get().as_bytes()));
        }
    }

    fn parse(&mut self, raw: &Bytes) {
        match Message::parse(raw.clone()) {
            Ok(message) => self.route(message),
            Err(Invalid::Message { reason, id: Some(id) }) => self.invalid(raw, &reason, &id),
            Err(error) => self.garbage(raw, &error.to_string()),
        }
    }

    fn route(&mut self, message: Message) {
        match message.kind() {
            Kind::Response => self.wire.respond(message),
            Kind::Notification => self.notification(message),
            Kind::Request => self.request(message),
        }
    }

    fn notification(&self, message: Message) {
        match message.method_name() {
            notification::PROGRESS => {
                match progress_wire_id(&message).and_then(|id| self.wire.queue_of(id)) {
                    Some(queue) => queue.progress(message),
                    None => dropped("unknown_progress_token"),
                }
            }
            notification::CANCELLED => self.wire.questions.withdraw(&message),
            notification::MESSAGE if self.isolation == Isolation::Session => {
                match self.wire.only_call() {
                    Some(queue) => queue.log(message),
                    None => self.unsolicited(Unsolicited::Notification(message)),
                }
            }
            _ => self.unsolicited(Unsolicited::Notification(message)),
        }
    }

    fn request(&self, message: Message) {
        let id = message.id().expect("a request has an id");
        if message.method() == Method::Ping {
            return self.wire.outbox.offer(response::result(&id, b"{}"));
        }
        let responder = self.wire.responder(id);
        if self.isolation == Isolation::Shared {
            return responder.refuse(SHARED);
        }
        match self.wire.only_call() {
            Some(queue) => queue.request(message, responder),
            None => self.unsolicited(Unsolicited::Request(message, responder)),
        }
    }

    fn unsolicited(&self, message: Unsolicited) {
        let Err(error) = self.inbox.try_send(message) else { return };
        match error.into_inner() {
            Unsolicited::Request(_, responder) => refuse_for_now(responder),
            Unsolicited::Notification(_) | Unsolicited::Reinitialized => dropped("inbox_full"),
        }
    }

    /// JSON with an id, but no message: a request is refused, and a response ends its call.
    fn invalid(&mut self, raw: &Bytes, reason: &str, id: &RequestId) {
        #[derive(Deserialize)]
        struct OnlyMethod {
            #[serde(default)]
            method: Option<IgnoredAny>,
        }
        self.garbage(raw, reason);
        let has_method =
            serde_json::from_slice::<OnlyMethod>(raw).is_ok_and(|fields| fields.method.is_some());
        if has_method {
            let code = response::code::INVALID_REQUEST;
            self.wire.outbox.offer(response::error(Some(id), code, reason, None));
        } else if let Some(id) = id.as_u64().filter(|id| self.wire.queue_of(*id).is_some()) {
            let backend = Arc::clone(&self.wire.backend);
            self.wire.end_call(id, Err(Error::BadAnswer { backend, detail: reason.into() }));
        }
    }

    fn garbage(&mut self, piece: &[u8], reason: &str) {
        dropped("garbage");
        let backend = &self.wire.backend;
        if std::mem::replace(&mut self.garbage_was_logged, true) {
            tracing::debug!(%backend, reason, "dropped what is no message");
            return;
        }
        let text: String = String::from_utf8_lossy(piece).chars().take(EXCERPT_CHARS).collect();
        tracing::warn!(
            %backend, reason, said = ?text,
            "dropped what is no message; {} (more of it is only counted)", self.advice
        );
    }
}

fn refuse_for_now(responder: Responder) {
    responder.refuse("too many requests of this backend wait for an answer");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is nearly a message is made of these.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{\"jsonrpc\":\"2.0\"".to_owned()),
            Just(",\"id\":1".to_owned()),
            Just(",\"method\":\"ping\"".to_owned()),
            Just(",\"method\":\"notifications/progress\"".to_owned()),
            Just(",\"params\":{\"progressToken\":1}".to_owned()),
            Just(",\"result\":{}".to_owned()),
            Just("}".to_owned()),
            Just("[".to_owned()),
            Just("],".to_owned()),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(pieces in prop::collection::vec(piece(), 0..8)) {
            for isolation in [Isolation::Shared, Isolation::Session] {
                let (sender, _inbox) = mpsc::channel(1);
                let wire = Arc::new(Wire::new("test".into()));
                let _pending = wire.register(super::super::wire::Whose::Clients);
                Demux::new(wire, isolation, sender, "").take(&Bytes::from(pieces.concat()));
            }
        }
    }
}
