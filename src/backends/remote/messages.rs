//! The messages of an event stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::value::RawValue;

use super::events::{Broken, Events, message_in};
use super::{dropped, excerpt};
use crate::mcp::sse::Event;
use crate::mcp::{Invalid, Message};
use crate::outbound::Body;

/// Where a stream can be taken up again, and when.
#[derive(Clone, Debug, Default)]
pub(in crate::backends) struct Cursor {
    /// The id of the last event that had one.
    pub(in crate::backends) last_event_id: Option<HeaderValue>,
    /// How long the server wants us to wait before we come back.
    pub(in crate::backends) retry: Option<Duration>,
}

/// The messages of an event stream; events without a message and garbage are passed over.
#[derive(Debug)]
pub(in crate::backends) struct Messages {
    events: Events,
    queue: VecDeque<Message>,
    pub(in crate::backends) cursor: Cursor,
    backend: Arc<str>,
    /// One warning per stream: garbage comes in heaps.
    has_warned: bool,
}

impl Messages {
    pub(in crate::backends) fn new(body: Body, cursor: Cursor, backend: Arc<str>) -> Self {
        let (events, queue) = (Events::new(body), VecDeque::new());
        Self { events, queue, cursor, backend, has_warned: false }
    }

    /// The next message; `None` at the end of the stream.
    pub(in crate::backends) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Broken>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Poll::Ready(Ok(Some(message)));
            }
            let Some(event) = ready!(self.events.poll_next(cx))? else {
                return Poll::Ready(Ok(None));
            };
            if let Some(message) = self.message(event) {
                return Poll::Ready(Ok(Some(message)));
            }
        }
    }

    pub(in crate::backends) async fn next(&mut self) -> Result<Option<Message>, Broken> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn message(&mut self, event: Event) -> Option<Message> {
        if let Some(id) = event.id {
            // An empty id takes the previous one back (HTML Living Standard, §9.2.6).
            self.cursor.last_event_id = HeaderValue::from_str(&id).ok().filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.cursor.retry = Some(Duration::from_millis(retry));
        }
        let data = message_in(&event.event, event.data)?;
        match parse_into(data.clone(), &mut self.queue) {
            Ok(first) => first,
            Err(error) => {
                dropped("garbage");
                if !std::mem::replace(&mut self.has_warned, true) {
                    let (backend, said) = (&self.backend, excerpt(&data));
                    tracing::warn!(%backend, %error, said, "an event is no message; dropped");
                }
                None
            }
        }
    }
}

/// Parses a message, or a batch of them (2025-03-26): the first is returned, the others go into
/// `queue`.
pub(in crate::backends) fn parse_into(
    payload: Bytes,
    queue: &mut VecDeque<Message>,
) -> Result<Option<Message>, Invalid> {
    if payload.trim_ascii_start().first() != Some(&b'[') {
        return Message::parse(payload).map(Some);
    }
    let batch: Vec<&RawValue> = serde_json::from_slice(&payload).map_err(Invalid::Json)?;
    for part in batch {
        match Message::parse(payload.slice_ref(part.get().as_bytes())) {
            Ok(message) => queue.push_back(message),
            Err(_) => dropped("garbage"),
        }
    }
    Ok(queue.pop_front())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_message_in_a_batch_does_not_cost_the_others() {
        let batch = r#"[{"jsonrpc":"2.0","id":1,"result":1}, 5, {"jsonrpc":"2.0","method":"m"}]"#;
        let mut queue = VecDeque::new();
        let first = parse_into(Bytes::from(batch), &mut queue).unwrap().unwrap();
        assert_eq!(first.id().unwrap().as_u64(), Some(1));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue[0].method_name(), "m");
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_is_parsed_or_refused(text in r#"[\[\]{}:,"a-c0-9 ]{0,40}"#) {
            let _ = parse_into(Bytes::from(text), &mut VecDeque::new());
        }
    }
}
