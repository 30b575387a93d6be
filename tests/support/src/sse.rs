//! Server-sent events, parsed from exact bytes.

/// One event: the lines up to an empty line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `id` field.
    pub id: Option<String>,
    /// The `event` field.
    pub event: Option<String>,
    /// The `retry` field, in milliseconds.
    pub retry: Option<u64>,
    /// The `data` fields, joined with line feeds; `None` if there were none, as in a comment.
    pub data: Option<String>,
    /// Comments, without their colon.
    pub comments: Vec<String>,
    /// The event as it came, with its empty line.
    pub raw: Vec<u8>,
}

impl Event {
    /// The message of the event, if it holds one: comments and priming events do not.
    pub fn message(&self) -> Option<&str> {
        self.data.as_deref().filter(|data| !data.is_empty())
    }

    fn field(&mut self, line: &str) {
        if let Some(comment) = line.strip_prefix(':') {
            self.comments.push(comment.trim_start().to_owned());
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.event = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok(),
            "data" => match &mut self.data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
}

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete event.
    pub fn next_event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        let mut start = 0;
        loop {
            let length = self.buffer[start..].iter().position(|&byte| byte == b'\n')?;
            let line = std::str::from_utf8(&self.buffer[start..start + length])
                .expect("an event stream is UTF-8");
            let line = line.strip_suffix('\r').unwrap_or(line);
            start += length + 1;
            if line.is_empty() {
                break;
            }
            event.field(line);
        }
        event.raw = self.buffer.drain(..start).collect();
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::Parser;

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let stream = b": hello\n\nid: 1\ndata: \n\nevent: message\r\nid: 2\r\ndata: {\"a\":\ndata: 1}\r\n\r\nretry: 5\ndata:x\n\n";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in stream.chunks(size) {
                parser.push(piece);
                events.extend(std::iter::from_fn(|| parser.next_event()));
            }
            let messages: Vec<_> = events.iter().map(|event| event.message()).collect();
            assert_eq!(messages, [None, None, Some("{\"a\":\n1}"), Some("x")], "pieces of {size}");
            let raw: Vec<_> = events.iter().flat_map(|event| event.raw.clone()).collect();
            assert_eq!(raw, stream, "pieces of {size}");
            assert_eq!(
                (events[0].comments.len(), events[1].id.as_deref(), events[3].retry),
                (1, Some("1"), Some(5))
            );
        }
    }
}
