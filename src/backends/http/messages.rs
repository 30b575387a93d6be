//! The messages of an event stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::value::RawValue;

use super::dropped;
use super::excerpt::excerpt;
use crate::backends::MAX_MESSAGE_BYTES;
use crate::mcp::sse::{Decoder, Event};
use crate::mcp::{Invalid, Message};
use crate::outbound::{Body, BodyError};

/// Where a stream can be taken up again, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// The id of the last event that had one.
    pub(super) last_event_id: Option<HeaderValue>,
    /// How long the server wants us to wait before we come back.
    pub(super) retry: Option<Duration>,
}

/// Why a stream cannot be read on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended within it; how.
    Lost(String),
    /// An event is larger than a message may be.
    TooLarge,
}

/// The messages of an event stream; events without a message and garbage are passed over.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    decoder: Decoder,
    queue: VecDeque<Message>,
    pub(super) cursor: Cursor,
    backend: Arc<str>,
    /// One warning per stream: garbage comes in heaps.
    has_warned: bool,
}

impl Messages {
    pub(super) fn new(body: Body, cursor: Cursor, backend: Arc<str>) -> Self {
        let decoder = Decoder::new(MAX_MESSAGE_BYTES);
        let queue = VecDeque::new();
        Self { body, decoder, queue, cursor, backend, has_warned: false }
    }

    /// The next message; `None` at the end of the stream.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Broken>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Poll::Ready(Ok(Some(message)));
            }
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    if let Some(message) = self.message(event) {
                        return Poll::Ready(Ok(Some(message)));
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => {
                    dropped("oversized");
                    return Poll::Ready(Err(Broken::TooLarge));
                }
            }
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(bytes)) => self.decoder.push(&bytes),
                Some(Err(error)) => {
                    let how = BodyError::from(error).chain();
                    return Poll::Ready(Err(Broken::Lost(how)));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Message>, Broken> {
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
        if !matches!(event.event.as_str(), "" | "message") {
            return None; // a private kind of event
        }
        let data = event.data.filter(|data| !data.is_empty())?;
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
pub(super) fn parse_into(
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
