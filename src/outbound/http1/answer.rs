//! The head of a response (RFC 9112 §4).

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{ParserConfig, Status};

use super::Fault;
use super::framing::{Fields, Framing};

/// How long a head may be.
pub(super) const MAX_BYTES: usize = 64 << 10;
/// How many headers it may have.
const MAX_HEADERS: usize = 100;

/// The head of a response, and what follows from it.
pub(super) struct Answer {
    /// Without [`Head::FRAMING`](crate::outbound::Head::FRAMING).
    pub(super) head: Response<()>,
    pub(super) framing: Framing,
    /// Whether another request may follow on the connection.
    pub(super) keeps_alive: bool,
}

/// What stands at the beginning of what was read.
pub(super) enum Parsed {
    /// Not all of a head yet.
    Partial,
    /// A head of that length which is not the answer yet (1xx).
    Interim(usize),
    /// A head of that length.
    Final(usize, Answer),
}

/// Parses what was read; `to_head` if it answers a HEAD request, to which no body belongs.
pub(super) fn parse(read: &[u8], to_head: bool) -> Result<Parsed, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, read, &mut headers)
        .map_err(Fault::Head)?;
    let length = match status {
        Status::Partial if read.len() < MAX_BYTES => return Ok(Parsed::Partial),
        Status::Complete(length) if length <= MAX_BYTES => length,
        _ => return Err(Fault::HeadTooLarge),
    };
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let code = code.ok_or(Fault::Head(httparse::Error::Status))?;
    if code == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Upgrade);
    }
    if code.is_informational() {
        return Ok(Parsed::Interim(length));
    }
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut fields = Fields::default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers {
        if fields.note(header.name, header.value)? {
            continue;
        }
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| Fault::Head(httparse::Error::HeaderName))?;
        // Copied: a slice would keep the whole buffer for as long as somebody keeps the value.
        let value = HeaderValue::from_bytes(header.value)
            .map_err(|_| Fault::Head(httparse::Error::HeaderValue))?;
        headers.append(name, value);
    }
    let (framing, keeps_alive) = fields.framing(code, version, to_head)?;
    let mut head = Response::new(());
    *head.status_mut() = code;
    *head.version_mut() = version;
    *head.headers_mut() = headers;
    Ok(Parsed::Final(length, Answer { head, framing, keeps_alive }))
}
