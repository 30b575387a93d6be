//! The event stream, up to the event that names the endpoint.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};
use url::Url;

use crate::backends::remote::{Broken, Endpoint, Events, Media, Refusal, excerpt, media, path_of};
use crate::backends::{MAX_MESSAGE_BYTES, OpenError};
use crate::mcp::header;

/// The kind of event that names the endpoint.
const ENDPOINT: &str = "endpoint";

/// A stream that has named its endpoint.
#[derive(Debug)]
pub(super) struct Stream {
    /// What comes behind that event.
    pub(super) events: Events,
    /// Path and query that messages are sent to, on the server of the stream.
    pub(super) endpoint: Uri,
}

impl Stream {
    /// Opens the stream at `url`, which `endpoint` stands for, and waits for its endpoint.
    pub(super) async fn open(endpoint: &Endpoint, url: &Url) -> Result<Self, OpenError> {
        let mut headers = endpoint.common.clone();
        headers.insert(ACCEPT, HeaderValue::from_static(header::EVENT_STREAM));
        let head = endpoint.head(Method::GET, headers);
        let sending = endpoint.send(&endpoint.client, &head, Bytes::new());
        let response = sending.await.map_err(|error| endpoint.unreachable(&error))?;
        if !response.status().is_success() {
            let refusal = Refusal::read(response).await;
            let (status, said) = (refusal.status.as_u16(), refusal.text());
            tracing::debug!(status, said, "GET was answered with an HTTP error");
            return Err(no_stream(format!("HTTP {status}{}", hint(status))));
        }
        if media(response.headers()) != Media::EventStream {
            let kind = response.headers().get(CONTENT_TYPE).map(|kind| excerpt(kind.as_bytes()));
            let kind = kind.unwrap_or_else(|| "a body of unknown type".to_owned());
            return Err(no_stream(format!("GET gives {kind}")));
        }
        let mut events = Events::new(response.into_body());
        while let Some(event) = events.next().await.map_err(|broken| no_stream(how(broken)))? {
            if event.event == ENDPOINT {
                let endpoint = resolve(url, &event.data.unwrap_or_default()).map_err(no_stream)?;
                return Ok(Self { events, endpoint });
            }
        }
        Err(no_stream("it ended before it named an endpoint"))
    }
}

/// The path that a stream at `url` names: relative to it, or of the same origin.
///
/// Anything else would send messages, and the configured headers, to somebody else.
fn resolve(url: &Url, named: &[u8]) -> Result<Uri, String> {
    let unusable = || format!("the endpoint it names is no URL: {:?}", excerpt(named));
    let text = std::str::from_utf8(named).ok().filter(|text| !text.trim().is_empty());
    let endpoint = url.join(text.ok_or_else(unusable)?).map_err(|_| unusable())?;
    if endpoint.origin() != url.origin() {
        let origin = endpoint.origin().ascii_serialization();
        return Err(format!("the endpoint it names has another origin than spec.url: {origin}"));
    }
    path_of(&endpoint).map_err(|_| unusable())
}

/// The stream named no endpoint in time.
pub(super) fn nameless(after: Duration) -> OpenError {
    no_stream(format!("it named no endpoint within {} s", after.as_secs_f64()))
}

/// How a stream ended that could not be read on.
pub(super) fn how(broken: Broken) -> String {
    match broken {
        Broken::Lost(how) => how,
        Broken::TooLarge => format!("it sent an event of more than {MAX_MESSAGE_BYTES} bytes"),
    }
}

fn no_stream(reason: impl Into<String>) -> OpenError {
    OpenError::NoStream(reason.into())
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (it wants credentials: set them in spec.headers)",
        400 | 404 | 405 | 406 => {
            " (is it the URL of the stream, for example …/sse? Newer servers are of type: \
             streamable-http)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(url: &str, named: &str) -> Result<String, String> {
        resolve(&Url::parse(url).unwrap(), named.as_bytes()).map(|uri| uri.to_string())
    }

    #[test]
    fn an_endpoint_of_the_same_origin_is_resolved_against_the_url() {
        for (url, named, expected) in [
            ("http://h/sse", "/message?sessionId=1", "/message?sessionId=1"),
            ("http://h/sse", "message?sessionId=1", "/message?sessionId=1"),
            ("http://h/a/b/sse", "message", "/a/b/message"),
            ("http://h/a/b/sse", "../message", "/a/message"),
            ("http://h/a/sse/", "message", "/a/sse/message"),
            ("http://h/a/sse", "/message", "/message"),
            ("http://h/a/sse?x=1", "?session=2", "/a/sse?session=2"),
            ("http://h:8080/sse", "http://h:8080/m?a=b%20c#d", "/m?a=b%20c"),
            ("http://h/sse", "http://H:80/m", "/m"),
            ("https://h/sse", "//h/m", "/m"),
            ("http://h/sse", " /m ", "/m"),
        ] {
            assert_eq!(resolved(url, named).as_deref(), Ok(expected), "{named:?} at {url}");
        }
    }

    #[test]
    fn an_endpoint_of_anybody_else_is_refused() {
        for (url, named, says) in [
            ("http://h/sse", "http://evil/m", "another origin than spec.url: http://evil"),
            ("http://h/sse", "//evil/m", "another origin"),
            ("http://h/sse", "http://h:81/m", "another origin"),
            ("https://h/sse", "http://h/m", "another origin"),
            ("http://h/sse", "http://h@evil/m", "another origin"),
            ("http://h/sse", "\\\\evil/m", "another origin"),
            ("http://h/sse", "javascript:alert(1)", "another origin"),
            ("http://h/sse", "", "no URL"),
            ("http://h/sse", "http://[/", "no URL"),
        ] {
            let refusal = resolved(url, named).unwrap_err();
            assert!(refusal.contains(says), "{named:?} at {url}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_named_stays_on_the_server(named in any::<Vec<u8>>()) {
            let url = Url::parse("http://h/a/sse").unwrap();
            if let Ok(uri) = resolve(&url, &named) {
                prop_assert!(uri.authority().is_none() && uri.path().starts_with('/'));
            }
        }
    }
}
