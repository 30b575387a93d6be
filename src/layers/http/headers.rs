//! Our own header names mean something only when we wrote them: from outside they are removed.

use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use tower::{Layer, Service};

/// What the names of our internal headers begin with.
const INTERNAL: &str = "x-portcullis-";

fn strip(headers: &mut HeaderMap) {
    // Nearly always there are none, and then nothing is allocated.
    if headers.keys().any(|name| name.as_str().starts_with(INTERNAL)) {
        let names: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with(INTERNAL)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Removes `X-Portcullis-*` from requests.
///
/// How many headers there may be, and how large, the connection sees to.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadersLayer;

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Headers<S> {
        Headers { inner }
    }
}

/// See [`HeadersLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Headers<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Headers<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        strip(req.headers_mut());
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_headers_go_and_others_stay() {
        let mut headers = HeaderMap::new();
        for name in ["x-portcullis-replica", "x-portcullis-subject", "x-portcullis", "accept"] {
            headers.append(http::HeaderName::from_static(name), "1".parse().unwrap());
        }
        headers.append("x-portcullis-subject", "2".parse().unwrap());
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-portcullis"]);
    }
}
