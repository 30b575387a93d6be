//! `X-Request-Id`: one name for a request in the client's log, a proxy's and ours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id from outside is replaced: it goes into every log line.
const MAX_LENGTH: usize = 128;

/// The request's id; in the extensions of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Visible ASCII.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Numbers that nobody draws twice: a random start for each process, then a walk that visits every
/// number once.
#[derive(Debug)]
struct Numbers {
    start: u64,
    count: AtomicU64,
}

impl Numbers {
    fn random() -> Self {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has random numbers");
        let (start, count) = bytes.split_at(8);
        let number = |half: &[u8]| u64::from_ne_bytes(half.try_into().expect("half of sixteen"));
        Self { start: number(start), count: AtomicU64::new(number(count)) }
    }

    /// 32 hexadecimal digits.
    fn next(&self) -> HeaderValue {
        // An odd step visits all numbers; the golden ratio keeps neighbours far apart (Weyl).
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let number = self.count.fetch_add(STEP, Ordering::Relaxed);
        let mut text = [0; 32];
        let (start, rest) = text.split_at_mut(16);
        write_hex(self.start, start);
        write_hex(number, rest);
        HeaderValue::from_bytes(&text).expect("digits are visible ASCII")
    }
}

/// As many of the number's last hexadecimal digits as there is room for: a tenth of the work of
/// `{:x}`, and every request needs it.
fn write_hex(mut number: u64, room: &mut [u8]) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

fn acceptable(theirs: &HeaderValue) -> bool {
    (1..=MAX_LENGTH).contains(&theirs.len()) && theirs.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Names every request: as the client or a proxy did, else with an id of our own. The response says
/// it too.
#[derive(Clone, Debug)]
pub struct RequestIdLayer(Arc<Numbers>);

impl RequestIdLayer {
    /// One for all workers, or one each.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Self(Arc::new(Numbers::random()))
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = SetRequestId<S>;

    fn layer(&self, inner: S) -> SetRequestId<S> {
        SetRequestId { inner, numbers: self.0.clone() }
    }
}

/// See [`RequestIdLayer`].
#[derive(Clone, Debug)]
pub struct SetRequestId<S> {
    inner: S,
    numbers: Arc<Numbers>,
}

impl<S, B, R> Service<Request<B>> for SetRequestId<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let theirs = req.headers().get(X_REQUEST_ID).filter(|theirs| acceptable(theirs));
        let id = theirs.cloned().unwrap_or_else(|| self.numbers.next());
        req.extensions_mut().insert(RequestId(id.clone()));
        ResponseFuture { inner: self.inner.call(req), id: Some(id) }
    }
}

pin_project! {
    /// The inner response, named.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        id: Option<HeaderValue>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(id) = this.id.take() {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::ServiceExt;

    use super::*;

    async fn named(theirs: Option<&str>) -> String {
        let inner = tower::service_fn(|req: Request<()>| async move {
            let id = req.extensions().get::<RequestId>().unwrap().as_str().to_owned();
            Ok::<_, Infallible>(Response::new(id))
        });
        let mut request = Request::new(());
        if let Some(theirs) = theirs {
            request.headers_mut().insert(X_REQUEST_ID, theirs.parse().unwrap());
        }
        let response = RequestIdLayer::new().layer(inner).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[X_REQUEST_ID], *response.body());
        response.into_body()
    }

    #[tokio::test]
    async fn a_request_keeps_the_id_it_came_with() {
        assert_eq!(named(Some("b3c9-77")).await, "b3c9-77");
    }

    #[tokio::test]
    async fn a_request_without_a_usable_id_gets_one() {
        let too_long = "x".repeat(MAX_LENGTH + 1);
        for theirs in [None, Some(""), Some("with space"), Some("\u{e9}"), Some(&too_long)] {
            let id = named(theirs).await;
            assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        }
    }

    #[test]
    fn an_id_is_the_two_numbers_in_hexadecimal() {
        let numbers = Numbers { start: 0x0123_4567_89ab_cdef, count: AtomicU64::new(0xf) };
        assert_eq!(numbers.next(), "0123456789abcdef000000000000000f");
    }

    #[test]
    fn no_two_ids_are_alike() {
        let numbers = Numbers::random();
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| numbers.next()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
