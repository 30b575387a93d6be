//! Framing of server-sent events (HTML Living Standard, §9.2), bounded and incremental.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event`: the type; empty means `message`.
    pub event: String,
    /// `data`: its lines, joined by line feeds. `None` when there was no such field, empty when
    /// there was one without content: both are priming events that carry an id only.
    pub data: Option<Bytes>,
    /// `id`, from which the stream can be resumed.
    pub id: Option<String>,
    /// `retry` in milliseconds.
    pub retry: Option<u64>,
}

/// An event grew larger than the limit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// Takes bytes as they arrive and gives events as they are complete.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no end of line.
    scanned: usize,
    event: Event,
    data: Option<BytesMut>,
    limit: usize,
    at_start: bool,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl Decoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            event: Event::default(),
            data: None,
            limit,
            at_start: true,
            after_return: false,
        }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete event, or `None` until more bytes arrive.
    ///
    /// An event that the stream's end cuts off is never given, as the standard demands.
    ///
    /// # Errors
    /// When an event exceeds the limit; the stream cannot be read on.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLarge> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        event.data = self.data.take().map(BytesMut::freeze);
        (event != Event::default()).then_some(event)
    }

    fn next_line(&mut self) -> Result<Option<BytesMut>, TooLarge> {
        if self.at_start && self.buffer.starts_with(b"\xef\xbb\xbf") {
            let _ = self.buffer.split_to(3);
        }
        if let Some(first) = self.buffer.first()
            && std::mem::take(&mut self.after_return)
            && *first == b'\n'
        {
            let _ = self.buffer.split_to(1);
        }
        let Some(end) = memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            return if self.size() > self.limit { Err(self.too_large()) } else { Ok(None) };
        };
        let end = self.scanned + end;
        // Whatever follows a carriage return, the line is over: nobody waits for it.
        self.after_return = self.buffer[end] == b'\r';
        self.at_start = false;
        self.scanned = 0;
        let mut line = self.buffer.split_to(end + 1);
        line.truncate(end);
        Ok(Some(line))
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLarge> {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let name = &line[..colon];
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.extend_from_slice(b"\n");
                    data.extend_from_slice(value);
                }
                none => *none = Some(BytesMut::from(value)),
            },
            b"event" => self.event.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.event.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => {
                self.event.retry = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            }
            _ => {} // a comment, or a field of the future
        }
        if self.size() > self.limit { Err(self.too_large()) } else { Ok(()) }
    }

    fn size(&self) -> usize {
        self.scanned + self.data.as_ref().map_or(0, BytesMut::len)
    }

    fn too_large(&self) -> TooLarge {
        TooLarge { limit: self.limit }
    }
}

/// A comment that keeps a quiet stream alive.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Writes an event whose data is one JSON message.
///
/// JSON may hold line feeds between its tokens: each line becomes a `data` field, and the receiver
/// joins them again.
pub fn encode(data: &[u8], id: Option<&str>) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 64);
    write_id(&mut out, id);
    for line in Lines(Some(data)) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
    out.freeze()
}

/// Writes the event that opens a resumable stream: an id and empty data, with the time after which
/// a client that lost the stream is to come back.
pub fn encode_priming(id: &str, retry_ms: Option<u64>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    write_id(&mut out, Some(id));
    if let Some(retry) = retry_ms {
        out.extend_from_slice(format!("retry: {retry}\n").as_bytes());
    }
    out.extend_from_slice(b"data: \n\n");
    out.freeze()
}

fn write_id(out: &mut BytesMut, id: Option<&str>) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\n");
    }
}

/// The lines of a text, whichever of the three ends of line it uses.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let Some(end) = memchr2(b'\n', b'\r', rest) else { return Some(rest) };
        let skip = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.0 = Some(&rest[end + skip..]);
        Some(&rest[..end])
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
