//! Newline-delimited messages, of bounded length.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};
use tokio_util::codec::Decoder;

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlong {
    /// It ends the stream: half a message is of no use.
    Fails,
    /// It comes in pieces: half a log line is better than none.
    IsCut,
}

/// Why no line can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The line does not end in time.
    #[error("it sent a line of more than {max} bytes")]
    TooLong {
        /// How many bytes a line may have.
        max: usize,
    },
    /// The pipe broke.
    #[error("its output cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Lines that end with `\n` or `\r\n`; half a line at the end is dropped.
#[derive(Debug)]
pub(super) struct Lines {
    max: usize,
    overlong: Overlong,
    /// How far the buffer is known to hold no line end: no byte is looked at twice.
    searched: usize,
}

impl Lines {
    pub(super) fn new(max: usize, overlong: Overlong) -> Self {
        Self { max, overlong, searched: 0 }
    }

    fn take(&mut self, buffer: &mut BytesMut, length: usize) -> Bytes {
        self.searched = 0;
        buffer.split_to(length).freeze()
    }
}

impl Decoder for Lines {
    type Item = Bytes;
    type Error = LineError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, LineError> {
        let end = memchr(b'\n', &buffer[self.searched..]).map(|at| self.searched + at);
        match (end, self.overlong) {
            (Some(end), _) if end <= self.max => {
                let line = self.take(buffer, end + 1);
                let text = line.strip_suffix(b"\r\n").unwrap_or(&line[..end]);
                Ok(Some(line.slice(..text.len())))
            }
            (None, _) if buffer.len() <= self.max => {
                self.searched = buffer.len();
                Ok(None)
            }
            (_, Overlong::Fails) => Err(LineError::TooLong { max: self.max }),
            (_, Overlong::IsCut) => Ok(Some(self.take(buffer, self.max))),
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, LineError> {
        let line = self.decode(buffer)?;
        if line.is_none() && !buffer.is_empty() {
            let rest = self.take(buffer, buffer.len());
            return Ok((self.overlong == Overlong::IsCut).then_some(rest));
        }
        Ok(line)
    }
}

/// The message on one line.
///
/// JSON strings hold no raw line ends, so whatever there is stands between tokens.
pub fn one_line(message: Bytes) -> Bytes {
    if memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    message.iter().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of a stream that comes in pieces of `step` bytes.
    fn read(input: &[u8], step: usize, mut lines: Lines) -> Result<Vec<Bytes>, LineError> {
        let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
        for piece in input.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Some(line) = lines.decode(&mut buffer)? {
                out.push(line);
            }
        }
        while let Some(line) = lines.decode_eof(&mut buffer)? {
            out.push(line);
        }
        Ok(out)
    }

    #[test]
    fn both_line_ends_are_taken_and_half_a_line_is_dropped() {
        for step in [1, 3, 100] {
            let lines = read(b"{\"a\":1}\r\n\n{}\n{\"ha", step, Lines::new(64, Overlong::Fails));
            assert_eq!(lines.unwrap(), ["{\"a\":1}", "", "{}"], "in steps of {step}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_fails_or_comes_in_pieces() {
        let input = b"ok\n0123456789\n";
        let error = read(input, 4, Lines::new(8, Overlong::Fails)).expect_err("too long");
        assert_eq!(error.to_string(), "it sent a line of more than 8 bytes");
        let pieces = read(input, 4, Lines::new(8, Overlong::IsCut)).unwrap();
        assert_eq!(pieces, ["ok", "01234567", "89"]);
    }

    #[test]
    fn line_ends_between_tokens_become_blanks_and_escaped_ones_stay() {
        let text = Bytes::from_static(b"{\r\n\"a\":\n\"x\\ny\"}");
        assert_eq!(one_line(text), "{  \"a\": \"x\\ny\"}");
        let line = Bytes::from_static(b"{\"a\":\"x\\ny\"}");
        assert_eq!(one_line(line.clone()).as_ptr(), line.as_ptr(), "nothing is copied");
    }

    proptest! {
        #[test]
        fn lines_survive_being_written_and_read_in_any_pieces(
            lines in prop::collection::vec("[^\r\n]{0,40}", 0..20),
            step in 1_usize..50,
        ) {
            let mut input = lines.join("\n");
            input.push('\n');
            let read = read(input.as_bytes(), step, Lines::new(200, Overlong::Fails)).unwrap();
            let expected: Vec<&str> = if lines.is_empty() { vec![""] } else {
                lines.iter().map(String::as_str).collect()
            };
            prop_assert_eq!(read, expected);
        }
    }
}
