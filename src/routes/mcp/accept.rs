//! Content negotiation and the revision header (MCP 2025-11-25, Streamable HTTP).

use http::{HeaderMap, HeaderName, header};

use crate::error::Error;
use crate::mcp::{ProtocolVersion, header as mcp_header};

/// What SDKs write into `Accept`, which needs no reading.
const BOTH: &str = "application/json, text/event-stream";

/// A POST carries JSON, and its client takes both JSON and a stream.
pub(super) fn post(headers: &HeaderMap) -> Result<(), Error> {
    json(headers)?;
    let both = headers.get(header::ACCEPT).is_some_and(|accept| accept == BOTH)
        || accepts(headers, mcp_header::JSON) && accepts(headers, mcp_header::EVENT_STREAM);
    if both { Ok(()) } else { Err(Error::NotAcceptable) }
}

/// A POST carries JSON.
pub(in crate::routes) fn json(headers: &HeaderMap) -> Result<(), Error> {
    let value = headers.get(header::CONTENT_TYPE).ok_or(Error::MediaType)?;
    let is_json = value == mcp_header::JSON
        || value
            .to_str()
            .ok()
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| media.trim().eq_ignore_ascii_case(mcp_header::JSON));
    if is_json { Ok(()) } else { Err(Error::MediaType) }
}

/// A GET takes a stream.
pub(in crate::routes) fn listen(headers: &HeaderMap) -> Result<(), Error> {
    let stream = accepts(headers, mcp_header::EVENT_STREAM);
    if stream { Ok(()) } else { Err(Error::StreamNotAcceptable) }
}

/// The revision header, where it is, names a revision with sessions.
pub(in crate::routes) fn protocol_version(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(mcp_header::PROTOCOL_VERSION) else { return Ok(()) };
    let known = value.to_str().ok().and_then(ProtocolVersion::parse);
    match known.filter(|version| !version.is_modern()) {
        Some(_) => Ok(()),
        None => Err(Error::Version(String::from_utf8_lossy(value.as_bytes()).into_owned())),
    }
}

/// Whether `Accept` allows a media type (RFC 9110 §12.5.1); a missing header allows all.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    const ACCEPT: HeaderName = header::ACCEPT;
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let group = media.split('/').next().unwrap_or_default();
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let matches = name == "*/*"
                || name.eq_ignore_ascii_case(media)
                || name.strip_suffix("/*").is_some_and(|name| name.eq_ignore_ascii_case(group));
            matches && !refused
        })
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_post_needs_json_and_a_client_that_takes_both_answers() {
        for (name, content_type, accept, accepted) in [
            ("both", "application/json", "application/json, text/event-stream", true),
            ("any", "application/json; charset=utf-8", "*/*", true),
            ("groups", "Application/JSON", "text/*, application/*;q=0.5", true),
            ("json only", "application/json", "application/json", false),
            (
                "stream refused",
                "application/json",
                "application/json, text/event-stream;q=0",
                false,
            ),
            ("text", "text/plain", "*/*", false),
            ("json as a suffix", "application/jsonl", "*/*", false),
        ] {
            let headers =
                headers(&[(header::CONTENT_TYPE, content_type), (header::ACCEPT, accept)]);
            assert_eq!(post(&headers).is_ok(), accepted, "{name}");
        }
        assert!(matches!(post(&HeaderMap::new()), Err(Error::MediaType)));
    }

    #[test]
    fn a_revision_that_is_not_spoken_here_is_refused() {
        for (version, accepted) in
            [("2025-11-25", true), ("2025-03-26", true), ("2026-07-28", false), ("1999", false)]
        {
            let headers = headers(&[(mcp_header::PROTOCOL_VERSION, version)]);
            assert_eq!(protocol_version(&headers).is_ok(), accepted, "{version}");
        }
        assert!(protocol_version(&HeaderMap::new()).is_ok());
    }
}
