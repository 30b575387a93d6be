//! The chunked transfer coding (RFC 9112 §7.1), read.

use bytes::{Buf as _, BytesMut};
use httparse::Status;

use super::Fault;
use super::framing::{Next, take_of};

/// How long the line before a chunk may be: nobody wants its extensions.
const MAX_LINE: usize = 1 << 10;
/// How long the trailers may be, which nobody reads.
pub(super) const MAX_TRAILERS: usize = 16 << 10;

/// How far a chunked body has been read.
#[derive(Default)]
pub(super) enum Chunked {
    /// The line with a chunk's size is next.
    #[default]
    Size,
    /// So much of a chunk is still to come.
    Data(u64),
    /// The end of line behind a chunk is next.
    DataEnd,
    /// A line of trailers is next, after so many bytes of them.
    Trailers(usize),
    End,
}

impl Chunked {
    pub(super) const fn is_at_end(&self) -> bool {
        matches!(self, Self::End)
    }

    /// See [`Framing::next`](super::framing::Framing::next).
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Next, Fault> {
        loop {
            *self = match self {
                Self::End => return Ok(Next::End),
                Self::Data(0) => Self::DataEnd,
                Self::Data(_) if read.is_empty() => return Ok(Next::Unread),
                Self::Data(left) => return Ok(Next::Data(take_of(left, read))),
                Self::Size => match size(read)? {
                    None => return Ok(Next::Unread),
                    Some(0) => Self::Trailers(0),
                    Some(size) => Self::Data(size),
                },
                Self::DataEnd => match read.get(..2) {
                    Some(b"\r\n") => {
                        read.advance(2);
                        Self::Size
                    }
                    None if b"\r\n".starts_with(read) => return Ok(Next::Unread),
                    _ => return Err(Fault::Chunk),
                },
                Self::Trailers(before) => match trailer(*before, read)? {
                    None => return Ok(Next::Unread),
                    Some(0) => Self::End,
                    Some(length) => Self::Trailers(*before + length),
                },
            }
        }
    }
}

/// Takes out the line with a chunk's size, if all of it is there.
fn size(read: &mut BytesMut) -> Result<Option<u64>, Fault> {
    // `httparse` takes a line without a number for zero, which would be the end of the body.
    if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) {
        return Err(Fault::Chunk);
    }
    match httparse::parse_chunk_size(read) {
        Ok(Status::Complete((length, size))) if length <= MAX_LINE => {
            // An extension with an end of line in it: others may see a chunk there.
            if read[..length - 1].contains(&b'\n') {
                return Err(Fault::Chunk);
            }
            read.advance(length);
            Ok(Some(size))
        }
        Ok(Status::Partial) if read.len() < MAX_LINE => Ok(None),
        _ => Err(Fault::Chunk),
    }
}

/// Takes out a line of trailers, if all of it is there; how long it is, 0 if it is the empty one.
fn trailer(before: usize, read: &mut BytesMut) -> Result<Option<usize>, Fault> {
    let end = memchr::memchr(b'\n', read);
    if before + end.unwrap_or(read.len()) > MAX_TRAILERS {
        return Err(Fault::Trailers);
    }
    let Some(end) = end else { return Ok(None) };
    let is_empty = read[..end].trim_ascii_end().is_empty();
    read.advance(end + 1);
    Ok(Some(if is_empty { 0 } else { end + 1 }))
}
