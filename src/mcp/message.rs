//! A JSON-RPC message as borrowed raw JSON: only the envelope is looked at.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::member::{named, plain};
use super::{Method, RequestId};

/// How deeply arrays and objects of a message from outside may nest.
pub const MAX_DEPTH: usize = 128;

/// A range of bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of the first byte.
    pub start: usize,
    /// Index behind the last byte.
    pub end: usize,
}

impl Span {
    /// Where `part` stands in `whole`.
    ///
    /// # Panics
    /// When `part` was not borrowed from `whole`.
    pub fn of(whole: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        assert!(start + part.len() <= whole.len(), "a span is borrowed from its message");
        Self { start, end: start + part.len() }
    }

    /// An empty range at `at`: what is spliced there is inserted.
    pub const fn at(at: usize) -> Self {
        Self { start: at, end: at }
    }
}

/// Why bytes are not a JSON-RPC message.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Not JSON at all, or not UTF-8.
    #[error("the body is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but not a JSON-RPC 2.0 message; carries the id if there was a usable one.
    #[error("{reason}")]
    Message {
        /// What is wrong with it.
        reason: String,
        /// The id of the message, to answer it by.
        id: Option<RequestId>,
    },
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a method and an id.
    Request,
    /// It has a method and no id.
    Notification,
    /// It has an id, and a result or an error.
    Response,
}

/// One JSON-RPC message: the bytes as they came, and where the parts of its envelope stand.
#[derive(Clone, Debug)]
pub struct Message {
    raw: Bytes,
    kind: Kind,
    id: Option<Span>,
    method: Option<Method>,
    /// The name of a method that has none here.
    other: Box<str>,
    params: Option<Span>,
    outcome: Option<(Span, bool)>,
}

/// What stands on the outside of a message.
struct Fields<'a> {
    jsonrpc: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    method: Option<Cow<'a, str>>,
    params: Option<&'a [u8]>,
    result: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, serde_json::Error> {
        let names = ["jsonrpc", "id", "method", "params", "result", "error"];
        let [jsonrpc, id, method, params, result, error] = named(raw, names)?;
        let method = match method {
            Some(raw) => match plain(raw) {
                Some(name) => Some(Cow::Borrowed(name)),
                None => serde_json::from_slice(raw)?,
            },
            None => None,
        };
        Ok(Self { jsonrpc, id, method, params, result, error })
    }
}

/// A field that is there is `Some`, also when its value is `null`.
///
/// # Errors
/// When the value is not JSON.
pub fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Message {
    /// Parses one message.
    ///
    /// A field of the envelope that occurs twice, be it in another case, is refused: we could be
    /// shown one method and the receiver another.
    ///
    /// # Errors
    /// See [`Invalid`].
    pub fn parse(raw: Bytes) -> Result<Self, Invalid> {
        // A derived struct could be read from an array too, its fields in order.
        if raw.trim_ascii_start().first() == Some(&b'[') {
            return Err(invalid(&raw, None, "an array is not a message"));
        }
        let fields = match Fields::read(&raw) {
            Ok(fields) => fields,
            Err(error) if error.is_data() => {
                return Err(Invalid::Message { reason: error.to_string(), id: id_of(&raw) });
            }
            Err(error) => return Err(Invalid::Json(error)),
        };
        let span = |part: &[u8]| Span::of(&raw, part);
        let id = fields.id.map(span);
        let params = fields.params.map(span);
        let outcome = match (fields.result, fields.error) {
            (Some(_), Some(_)) => {
                return Err(invalid(&raw, id, "a response has either a result or an error"));
            }
            (Some(result), None) => Some((span(result), false)),
            (None, Some(error)) => Some((span(error), true)),
            (None, None) => None,
        };
        if fields.jsonrpc != Some(b"\"2.0\"") {
            return Err(invalid(&raw, id, "\"jsonrpc\" must be \"2.0\""));
        }
        let kind = match (&fields.method, id.is_some(), outcome.is_some()) {
            (Some(_), true, false) => Kind::Request,
            (Some(_), false, false) => Kind::Notification,
            (None, true, true) => Kind::Response,
            (Some(_), _, true) => {
                return Err(invalid(&raw, id, "a message with a method has no result or error"));
            }
            (None, ..) => {
                return Err(invalid(&raw, id, "neither a request, a notification nor a response"));
            }
        };
        let method = fields.method.as_deref().map(Method::parse);
        let other = fields.method.filter(|_| method == Some(Method::Other));
        let other = other.map(Box::from).unwrap_or_default();
        let message = Self { raw, kind, id, method, other, params, outcome };
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), Invalid> {
        // A response to a message that could not be read has a null id (JSON-RPC 2.0 §5).
        let may_be_null = self.kind == Kind::Response && self.is_error();
        if let Some(span) = self.id
            && !RequestId::is_one(self.bytes(span))
            && !(may_be_null && self.bytes(span) == b"null")
        {
            return Err(invalid(&self.raw, None, "\"id\" must be a string or an integer"));
        }
        if let Some(params) = self.params
            && self.bytes(params).first() != Some(&b'{')
        {
            return Err(invalid(&self.raw, self.id, "\"params\" must be an object"));
        }
        Ok(())
    }

    /// The message as it came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The id, if it has one that is not null.
    pub fn id(&self) -> Option<RequestId> {
        self.id.and_then(|span| RequestId::from_raw(self.slice(span)))
    }

    /// Where the id stands.
    pub fn id_span(&self) -> Option<Span> {
        self.id
    }

    /// The method of a request or notification; [`Method::Other`] for responses.
    pub fn method(&self) -> Method {
        self.method.unwrap_or(Method::Other)
    }

    /// The method's name as it was sent; empty for responses.
    pub fn method_name(&self) -> &str {
        match self.method {
            Some(Method::Other) | None => &self.other,
            Some(method) => method.as_str(),
        }
    }

    /// The parameters, raw.
    pub fn params(&self) -> Option<&[u8]> {
        self.params.map(|span| self.bytes(span))
    }

    /// The result of a successful response, raw.
    pub fn result(&self) -> Option<Bytes> {
        self.result_span().map(|span| self.slice(span))
    }

    /// The error of a failed response, raw.
    pub fn error(&self) -> Option<Bytes> {
        self.outcome.filter(|(_, is_error)| *is_error).map(|(span, _)| self.slice(span))
    }

    /// Whether this is an error response.
    pub fn is_error(&self) -> bool {
        self.outcome.is_some_and(|(_, is_error)| is_error)
    }

    /// The bytes of a span.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.raw[span.start..span.end]
    }

    /// The bytes of a span, sharing the message's memory.
    pub fn slice(&self, span: Span) -> Bytes {
        self.raw.slice(span.start..span.end)
    }

    /// The same message with parts of its parameters replaced, each by JSON of the same type.
    ///
    /// # Panics
    /// When the spans overlap or are not in ascending order.
    #[must_use]
    pub fn spliced(&self, edits: &[(Span, &[u8])]) -> Self {
        let at = |span| super::splice::moved(span, edits);
        Self {
            raw: super::splice::splice(&self.raw, edits),
            id: self.id.map(at),
            params: self.params.map(at),
            outcome: self.outcome.map(|(span, is_error)| (at(span), is_error)),
            other: self.other.clone(),
            ..*self
        }
    }

    /// Where the result of a successful response stands.
    pub fn result_span(&self) -> Option<Span> {
        self.outcome.filter(|(_, is_error)| !is_error).map(|(span, _)| span)
    }

    /// The same message under another id; everything else byte for byte.
    ///
    /// A notification stays as it is.
    #[must_use]
    pub fn with_id(self, id: &[u8]) -> Bytes {
        match self.id {
            Some(span) => super::splice::splice_one(self.raw, span, id),
            None => self.raw,
        }
    }
}

fn invalid(raw: &Bytes, id: Option<Span>, reason: &str) -> Invalid {
    let id = id.and_then(|span| RequestId::from_raw(raw.slice(span.start..span.end)));
    Invalid::Message { reason: reason.to_owned(), id }
}

/// The id of a message whose envelope is wrong otherwise, for the answer.
fn id_of(raw: &Bytes) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let id = serde_json::from_slice::<OnlyId<'_>>(raw).ok()?.id?;
    let span = Span::of(raw, id.get().as_bytes());
    RequestId::from_raw(raw.slice(span.start..span.end))
}

/// Whether arrays and objects nest deeper than `limit`.
///
/// Parsers further on recurse; we skip over raw JSON without recursion and would pass on what
/// overflows their stack.
pub fn is_deeper_than(raw: &[u8], limit: usize) -> bool {
    // Most messages have not even that many brackets. Counted in bytes, 255 at the most, they are
    // counted many at a time.
    let begins = |byte: &u8| u8::from(matches!(byte, b'{' | b'['));
    let count = |part: &[u8]| usize::from(part.iter().map(begins).sum::<u8>());
    if raw.chunks(255).map(count).sum::<usize>() <= limit {
        return false;
    }
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < raw.len() {
        match raw[at] {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(raw, at),
            _ => {}
        }
        at += 1;
    }
    false
}

/// The index of the quote that ends the string which begins at `at`.
fn end_of_string(raw: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < raw.len() && raw[at] != b'"' {
        at += if raw[at] == b'\\' { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
