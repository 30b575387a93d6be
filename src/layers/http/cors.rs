//! What a browser needs to be told before a page may read our responses (Fetch, "CORS protocol").
//!
//! Nearly all requests come from no page and need to be told nothing, so this is written for them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::origin::Origins;

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,DELETE");
/// What a page may read beside what any may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "mcp-session-id,mcp-protocol-version,www-authenticate,retry-after,x-request-id",
);
/// How many seconds a browser may remember the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What a response depends on; a cache has to know it of those to no page too.
const VARIES: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);

/// Answers preflights, and shows responses to pages of these origins and to no others, but for what
/// is at a public path.
///
/// It stands outside of everything that refuses, or a page could not read why it was refused.
#[derive(Clone, Debug)]
pub struct CorsLayer {
    origins: Origins,
    is_public: fn(&str) -> bool,
}

impl CorsLayer {
    /// `is_public` tells whether pages of any origin may read what is at a path.
    pub fn new(origins: Origins, is_public: fn(&str) -> bool) -> Self {
        Self { origins, is_public }
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors { inner, origins: self.origins.clone(), is_public: self.is_public }
    }
}

/// See [`CorsLayer`].
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    origins: Origins,
    is_public: fn(&str) -> bool,
}

/// The page that a request comes from.
#[derive(Debug)]
enum Page {
    /// It comes from none.
    None,
    /// It may not read the response.
    Stranger,
    /// It may; it is of this origin.
    Allowed(HeaderValue),
}

impl Page {
    /// Lets it read the response, or not.
    fn admit(&self, headers: &mut HeaderMap) {
        headers.append(VARY, VARIES);
        if let Self::Allowed(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

impl<S> Cors<S> {
    fn page<B>(&self, req: &Request<B>) -> Page {
        match req.headers().get(ORIGIN) {
            None => Page::None,
            Some(origin) if self.origins.allows(origin) || (self.is_public)(req.uri().path()) => {
                Page::Allowed(origin.clone())
            }
            Some(_) => Page::Stranger,
        }
    }
}

/// What a browser asks before it sends a page's request.
fn preflight<B, R: Default>(req: &Request<B>, page: &Page) -> Response<R> {
    let mut response = Response::new(R::default());
    let headers = response.headers_mut();
    page.admit(headers);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // Names of mirrored parameters are the backends' choice, so they cannot be listed.
    if let Some(asked) = req.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

impl<S, B, R> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let page = self.page(&req);
        if req.method() == Method::OPTIONS {
            let preflight = Some(Box::new(preflight(&req, &page)));
            return ResponseFuture { preflight, page, inner: None };
        }
        ResponseFuture { preflight: None, page, inner: Some(self.inner.call(req)) }
    }
}

pin_project! {
    /// The answer to a preflight, or the inner response with what a browser has to know of it.
    pub struct ResponseFuture<F, R> {
        // Boxed: it is rare, and large.
        preflight: Option<Box<Response<R>>>,
        page: Page,
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            let preflight = this.preflight.take();
            return Poll::Ready(Ok(*preflight.expect("a future is not polled once it is ready")));
        };
        let mut response = ready!(inner.poll(cx))?;
        let headers = response.headers_mut();
        this.page.admit(headers);
        if !matches!(this.page, Page::None) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::StatusCode;
    use http::header::ACCESS_CONTROL_REQUEST_METHOD;
    use tower::ServiceExt;

    use super::*;

    async fn response_to(request: http::request::Builder) -> Response<String> {
        let inner = tower::service_fn(|_: Request<()>| async {
            let response = Response::builder().status(StatusCode::UNAUTHORIZED);
            Ok::<_, Infallible>(response.body(String::new()).unwrap())
        });
        let stack =
            CorsLayer::new(Origins::new(true, vec![]), |path| path == "/public").layer(inner);
        stack.oneshot(request.body(()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn an_allowed_page_can_read_even_a_refusal() {
        let response =
            response_to(Request::post("/mcp").header(ORIGIN, "http://localhost:1")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:1");
        let exposed = response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.contains("mcp-session-id") && exposed.contains("www-authenticate"));
    }

    #[tokio::test]
    async fn a_page_from_elsewhere_can_read_nothing() {
        let response =
            response_to(Request::post("/mcp").header(ORIGIN, "http://evil.example")).await;
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[tokio::test]
    async fn a_response_to_no_page_says_only_that_it_depends_on_the_page() {
        let response = response_to(Request::post("/mcp")).await;
        let headers: Vec<_> = response.headers().iter().collect();
        assert_eq!(headers, [(&VARY, &VARIES)]);
    }

    #[tokio::test]
    async fn what_else_a_response_depends_on_is_kept() {
        let inner = tower::service_fn(|_: Request<()>| async {
            let response = Response::builder().header(VARY, "accept");
            Ok::<_, Infallible>(response.body(()).unwrap())
        });
        let stack = CorsLayer::new(Origins::new(true, vec![]), |_| false).layer(inner);
        let response = stack.oneshot(Request::new(())).await.unwrap();
        let varies: Vec<_> = response.headers().get_all(VARY).iter().collect();
        assert_eq!(varies, ["accept", VARIES.to_str().unwrap()]);
    }

    #[tokio::test]
    async fn every_page_can_read_what_is_public() {
        for method in [Method::GET, Method::OPTIONS] {
            let request = Request::builder().method(method).uri("/public");
            let request = request
                .header(ORIGIN, "https://app.example")
                .header(ACCESS_CONTROL_REQUEST_METHOD, "GET")
                .header(ACCESS_CONTROL_REQUEST_HEADERS, "mcp-protocol-version");
            let headers = response_to(request).await.headers().clone();
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_with_what_it_asks_for() {
        let preflight = Request::options("/mcp")
            .header(ORIGIN, "http://localhost:1")
            .header(ACCESS_CONTROL_REQUEST_METHOD, "DELETE")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "mcp-session-id,mcp-param-region");
        let response = response_to(preflight).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST,DELETE");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "mcp-session-id,mcp-param-region");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "600");
        assert_eq!(headers[VARY], VARIES);
    }
}
