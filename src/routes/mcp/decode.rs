//! From the bytes of a POST or a line to messages.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::mcp::message::{MAX_DEPTH, is_deeper_than};
use crate::mcp::{Invalid, Message};

/// How many messages one batch may hold.
const MAX_BATCH: usize = 32;

/// What a client sent.
#[derive(Debug)]
pub(in crate::routes) enum Inbound {
    /// One message.
    One(Message),
    /// Several at once, each a message or the reason why it is none.
    Batch(Vec<Result<Message, Invalid>>),
}

/// Reads the body of a POST, or a line.
pub(in crate::routes) fn decode(body: Bytes) -> Result<Inbound, Error> {
    if is_deeper_than(&body, MAX_DEPTH) {
        return Err(Error::TooDeep { limit: MAX_DEPTH });
    }
    if body.trim_ascii_start().first() == Some(&b'[') {
        return batch(&body);
    }
    Ok(Inbound::One(Message::parse(body)?))
}

fn batch(body: &Bytes) -> Result<Inbound, Error> {
    let parts: Vec<&RawValue> = serde_json::from_slice(body).map_err(Invalid::Json)?;
    if parts.is_empty() {
        return Err(Error::Batch("a batch holds at least one message"));
    }
    if parts.len() > MAX_BATCH {
        return Err(Error::Batch("a batch holds at most 32 messages"));
    }
    let messages =
        parts.into_iter().map(|part| Message::parse(body.slice_ref(part.get().as_bytes())));
    Ok(Inbound::Batch(messages.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    #[test]
    fn a_batch_keeps_its_good_messages_beside_the_bad_ones() {
        let body = format!("[{PING}, 5, {PING}]");
        let Inbound::Batch(messages) = decode(Bytes::from(body)).unwrap() else { panic!() };
        assert_eq!(messages.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = format!(r#"{{"jsonrpc":"2.0","method":"a","params":{}"#, "[".repeat(1000));
        assert!(matches!(decode(deep.into()), Err(Error::TooDeep { .. })));
        let many = format!("[{}]", [PING; 33].join(","));
        assert!(matches!(decode(many.into()), Err(Error::Batch(_))));
        assert!(matches!(decode("[]".into()), Err(Error::Batch(_))));
        assert!(matches!(decode("[1".into()), Err(Error::Message(Invalid::Json(_)))));
        assert!(matches!(decode(Bytes::new()), Err(Error::Message(Invalid::Json(_)))));
    }
}
