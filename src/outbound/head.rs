//! What a request says before its body.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use http_body_util::Full;

use super::Destination;

/// Method, path and headers of a request, made once and sent as often as wanted.
pub struct Head {
    method: Method,
    path: Uri,
    headers: HeaderMap,
    names_host: bool,
    /// All of it as HTTP/1.1 writes it, but for what depends on the destination or the body.
    text: Box<[u8]>,
}

impl Head {
    /// Headers that say where a message ends, and how a connection goes on: ours to set.
    pub const FRAMING: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

    /// A head for that path and query; headers of [`FRAMING`](Self::FRAMING) are left out.
    pub fn new(method: Method, path: &Uri, mut headers: HeaderMap) -> Self {
        for name in Self::FRAMING {
            headers.remove(name);
        }
        let names_host = headers.contains_key(HOST);
        let text = text(&method, path, &headers);
        Self { method, path: path.clone(), headers, names_host, text }
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    /// The head as HTTP/1.1 writes it, with the empty line behind it (RFC 9112 §2.1).
    pub(super) fn write(&self, destination: &Destination, length: usize, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.text);
        if !self.names_host {
            line(HOST.as_str(), destination.host_header.as_bytes(), to);
        }
        // A server may wait for a body where a method has one (RFC 9110 §8.6).
        if length > 0 || matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            line(CONTENT_LENGTH.as_str(), itoa::Buffer::new().format(length).as_bytes(), to);
        }
        to.extend_from_slice(b"\r\n");
    }

    /// The request as HTTP/2 wants it: `:authority` stands for `Host`.
    pub(super) fn http2(&self, destination: &Destination, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = destination.absolute(&self.path);
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().remove(HOST);
        request
    }
}

impl std::fmt::Debug for Head {
    /// Values of headers, and queries, may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Head({} {})", self.method, self.path.path())
    }
}

/// Nobody can write a second request into the first: `http` has looked at each of the parts.
fn text(method: &Method, path: &Uri, headers: &HeaderMap) -> Box<[u8]> {
    let path = path.path_and_query().map_or("/", |path| path.as_str());
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(method.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(path.as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        line(name.as_str(), value.as_bytes(), &mut text);
    }
    text.into_boxed_slice()
}

fn line(name: &str, value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}
