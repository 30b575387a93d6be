//! Where a body ends (RFC 9112 §6.3).

use std::mem;

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version};

use super::Fault;
use super::chunked::Chunked;
use super::inbox::AT_FIRST;

/// Where a body ends, and how much of it is still to come.
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last of its chunks.
    Chunked(Chunked),
    /// With the connection.
    UntilClose,
}

/// What comes next of a body.
pub(super) enum Next {
    Data(Bytes),
    /// Nothing more has been read.
    Unread,
    End,
}

impl Framing {
    /// What of the body stands at the beginning of `read`, which is taken out.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Next, Fault> {
        match self {
            Self::Length(0) => Ok(Next::End),
            Self::Chunked(chunked) => chunked.next(read),
            _ if read.is_empty() => Ok(Next::Unread),
            Self::Length(left) => Ok(Next::Data(take_of(left, read))),
            Self::UntilClose => Ok(Next::Data(take(read.len(), read))),
        }
    }

    /// Whether nothing more can come.
    pub(super) const fn is_at_end(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_at_end(),
            Self::UntilClose => false,
        }
    }

    /// The server has closed the connection.
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        match self {
            Self::UntilClose => {
                *self = Self::Length(0);
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Fault::ClosedWithinBody),
        }
    }
}

/// Takes out what was read of something of which so much is `left`.
pub(super) fn take_of(left: &mut u64, read: &mut BytesMut) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= length as u64;
    take(length, read)
}

fn take(length: usize, read: &mut BytesMut) -> Bytes {
    // A little in a large buffer does not keep it; it would for as long as a message lives.
    if read.capacity() > AT_FIRST && length < read.capacity() / 4 {
        return read.split_to(length).as_ref().to_vec().into();
    }
    if length == read.len() {
        // With the whole buffer nobody else holds the message: who makes it longer can do so there.
        return mem::take(read).freeze();
    }
    read.split_to(length).freeze()
}

/// What a head says about the end of its body and of the connection.
#[derive(Default)]
pub(super) struct Fields {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
}

impl Fields {
    /// Takes note of a field; whether it is of this kind, which concerns nobody else.
    pub(super) fn note(&mut self, name: &str, value: &[u8]) -> Result<bool, Fault> {
        // Not yet a `HeaderName`, which takes longer to make than all of this.
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            // What was repeated on the way may be the same again and again.
            for number in value.split(|byte| *byte == b',') {
                let number = number_in(number.trim_ascii()).ok_or(Fault::ContentLength)?;
                if self.length.replace(number).is_some_and(|other| other != number) {
                    return Err(Fault::ContentLength);
                }
            }
        } else if is("transfer-encoding") {
            let is_second = mem::replace(&mut self.is_chunked, true);
            if is_second || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::TransferEncoding);
            }
        } else if is("connection") {
            for option in value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                self.closes |= option.eq_ignore_ascii_case(b"close");
                self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Where the body ends, and whether another request may follow on the connection.
    pub(super) fn framing(
        &self,
        status: StatusCode,
        version: Version,
        to_head: bool,
    ) -> Result<(Framing, bool), Fault> {
        let is_old = version == Version::HTTP_10;
        if is_old && self.is_chunked {
            return Err(Fault::TransferEncoding); // RFC 9112 §6.1: its framing is faulty
        }
        let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let framing = match self.length {
            _ if to_head || is_bodiless => Framing::Length(0),
            _ if self.is_chunked => Framing::Chunked(Chunked::default()),
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        // With both, somebody on the way may see another end than we do (RFC 9112 §6.1).
        let is_ambiguous = self.is_chunked && self.length.is_some();
        let lasts = !self.closes && (!is_old || self.keeps_alive);
        Ok((framing, lasts && !is_ambiguous))
    }
}

/// Digits and nothing else: `parse` would also take a sign.
fn number_in(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}
