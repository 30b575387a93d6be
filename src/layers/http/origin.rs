//! The `Origin` check: a web page of somebody else must not use the gateway
//! (MCP 2025-11-25, Streamable HTTP, "Security Warning").

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Request};
use tower::{Layer, Service};

use super::refuse::ResponseFuture;
use crate::config::is_loopback_authority;

/// The `Origin` header names an origin that is not listed.
#[derive(Debug, thiserror::Error)]
#[error("origin {0:?} is not allowed; list it in http.allowedOrigins")]
pub struct OriginDenied(HeaderValue);

/// Which origins web pages may have; shared with [`super::cors`].
#[derive(Clone, Debug)]
pub struct Origins(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    loopback: bool,
    allowed: Vec<String>,
}

impl Origins {
    /// `loopback` tells whether only this machine can connect, and lets its own pages pass;
    /// entries of `allowed` are `scheme://host[:port]`, compared byte for byte.
    pub fn new(loopback: bool, allowed: Vec<String>) -> Self {
        Self(Arc::new(Rules { loopback, allowed }))
    }

    /// Whether a page of this origin may use the gateway.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.as_bytes();
        self.0.allowed.iter().any(|allowed| allowed.as_bytes() == origin)
            || (self.0.loopback && is_loopback_origin(origin))
    }

    /// A request without the header comes from no web page.
    fn check(&self, headers: &HeaderMap) -> Result<(), OriginDenied> {
        match headers.get_all(ORIGIN).iter().find(|origin| !self.allows(origin)) {
            Some(origin) => Err(OriginDenied(origin.clone())),
            None => Ok(()),
        }
    }
}

fn is_loopback_origin(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(is_loopback_authority)
}

/// Refuses requests of web pages from elsewhere.
#[derive(Clone, Debug)]
pub struct OriginLayer(Origins);

impl OriginLayer {
    /// Lets these pass.
    pub fn new(origins: Origins) -> Self {
        Self(origins)
    }
}

impl<S> Layer<S> for OriginLayer {
    type Service = Origin<S>;

    fn layer(&self, inner: S) -> Origin<S> {
        Origin { inner, origins: self.0.clone() }
    }
}

/// See [`OriginLayer`].
#[derive(Clone, Debug)]
pub struct Origin<S> {
    inner: S,
    origins: Origins,
}

impl<S, B> Service<Request<B>> for Origin<S>
where
    S: Service<Request<B>>,
    S::Error: From<OriginDenied>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, OriginDenied>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.origins.check(req.headers()) {
            Ok(()) => ResponseFuture::passed(self.inner.call(req)),
            Err(denied) => ResponseFuture::refused(denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn origins_pass_by_listener_and_list() {
        let listed = || vec!["https://app.example".to_owned()];
        for (name, origins, origin, passes) in [
            ("loopback", Origins::new(true, vec![]), "http://localhost:6274", true),
            ("loopback address", Origins::new(true, vec![]), "https://127.0.0.1", true),
            ("loopback IPv6", Origins::new(true, vec![]), "http://[::1]:3000", true),
            ("elsewhere", Origins::new(true, vec![]), "https://evil.example", false),
            ("looks local", Origins::new(true, vec![]), "http://localhost.evil.example", false),
            ("opaque", Origins::new(true, vec![]), "null", false),
            ("empty", Origins::new(true, vec![]), "", false),
            ("with a path", Origins::new(true, vec![]), "http://localhost/x", false),
            ("another scheme", Origins::new(true, vec![]), "ftp://localhost", false),
            ("loopback from outside", Origins::new(false, vec![]), "http://localhost", false),
            ("listed", Origins::new(false, listed()), "https://app.example", true),
            ("listed, another port", Origins::new(false, listed()), "https://app.example:1", false),
            ("listed, another case", Origins::new(false, listed()), "https://APP.example", false),
        ] {
            assert_eq!(origins.allows(&HeaderValue::from_str(origin).unwrap()), passes, "{name}");
        }
    }

    #[tokio::test]
    async fn a_denied_request_does_not_reach_the_inner_service() {
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        struct StackError(#[from] OriginDenied);
        let inner = tower::service_fn(|_: Request<()>| async { Ok::<_, StackError>(()) });
        let stack = OriginLayer::new(Origins::new(true, vec![])).layer(inner);
        assert!(stack.clone().oneshot(Request::new(())).await.is_ok());
        let request = Request::get("/").header(ORIGIN, "http://localhost");
        let second = request.header(ORIGIN, "https://evil.example").body(()).unwrap();
        let denied = stack.oneshot(second).await.unwrap_err().to_string();
        assert!(denied.contains("https://evil.example"), "{denied}");
    }
}
