//! How large a request's body may be, and how long it may take.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Request};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::limited::MAX_DISCARDED_BYTES;
pub use super::limited::{BodyError, Limited, Limits};
use crate::server::BoxError;

/// Refuses a body whose announced length is too large, and bounds the others while they are read.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimitLayer {
    limits: Limits,
}

impl BodyLimitLayer {
    /// These bounds for every request.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimit<S>;

    fn layer(&self, inner: S) -> BodyLimit<S> {
        BodyLimit { inner, limits: self.limits }
    }
}

/// See [`BodyLimitLayer`].
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit<S> {
    inner: S,
    limits: Limits,
}

impl<S> BodyLimit<S> {
    fn check(&self, headers: &HeaderMap) -> Result<(), BodyError> {
        let max_bytes = self.limits.max_bytes;
        match announced_length(headers) {
            Some(length) if length > max_bytes as u64 => Err(BodyError::TooLarge { max_bytes }),
            _ => Ok(()),
        }
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the client sends the body in any case, and not so much that we should hang up.
fn is_worth_discarding(headers: &HeaderMap) -> bool {
    !headers.contains_key(EXPECT)
        && announced_length(headers).is_none_or(|length| length <= MAX_DISCARDED_BYTES)
}

impl<S, B> Service<Request<B>> for BodyLimit<S>
where
    S: Service<Request<Limited<B>>>,
    S::Error: From<BodyError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let refusal = self.check(req.headers()).err();
        if refusal.is_none() {
            let req = req.map(|body| Limited::new(body, self.limits));
            return ResponseFuture { refusal, discarded: None, inner: Some(self.inner.call(req)) };
        }
        let discarded =
            is_worth_discarding(req.headers()).then(|| Limited::new(req.into_body(), self.limits));
        ResponseFuture { refusal, discarded, inner: None }
    }
}

pin_project! {
    /// The inner response, or the refusal once the body is out of the way.
    pub struct ResponseFuture<F, B> {
        refusal: Option<BodyError>,
        #[pin]
        discarded: Option<Limited<B>>,
        #[pin]
        inner: Option<F>,
    }
}

impl<F, B, T, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<T, E>>,
    E: From<BodyError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(inner) = this.inner.as_pin_mut() {
            return inner.poll(cx);
        }
        if let Some(discarded) = this.discarded.as_pin_mut() {
            ready!(discarded.poll_discard(cx));
        }
        let refusal = this.refusal.take().expect("a future is not polled once it is ready");
        Poll::Ready(Err(refusal.into()))
    }
}

#[cfg(test)]
mod tests {
    use http::{Response, StatusCode};
    use http_body_util::Full;
    use hyper::body::Incoming;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::super::respond::RespondLayer;
    use super::*;
    use crate::server::{Body as ServerBody, Listeners, serve_simple};

    /// What a client reads that sends the whole request before it looks for a response.
    async fn sent_in_full(request: Vec<u8>) -> String {
        let service = tower::service_fn(|req: Request<Limited<Incoming>>| async move {
            req.into_body().collect().await.map(|_| Response::new(ServerBody::Empty))
        });
        let status = |error: &BodyError| {
            let mut response = Response::new(ServerBody::from(error.to_string()));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        };
        let stack =
            RespondLayer::new(status).layer(BodyLimitLayer::new(Limits::new(1000)).layer(service));
        let listeners = Listeners::bind("127.0.0.1", 0).unwrap();
        let address = listeners.addresses()[0];
        let stop = CancellationToken::new();
        let client = async {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(&request).await.unwrap();
            let mut head = [0; 12];
            socket.read_exact(&mut head).await.unwrap();
            stop.cancel();
            String::from_utf8(head.to_vec()).unwrap()
        };
        tokio::join!(serve_simple(listeners, stack, stop.clone()), client).1
    }

    #[tokio::test]
    async fn a_client_that_sends_all_of_a_refused_body_still_sees_why() {
        const HEAD: &str = "POST / HTTP/1.1\r\nhost: x\r\n";
        let megabytes = 8 << 20;
        let mut announced = format!("{HEAD}content-length: {megabytes}\r\n\r\n").into_bytes();
        announced.resize(announced.len() + megabytes, b'x');
        assert_eq!(sent_in_full(announced).await, "HTTP/1.1 413");
        let mut chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n").into_bytes();
        chunked.extend_from_slice(format!("{megabytes:x}\r\n").as_bytes());
        chunked.resize(chunked.len() + megabytes, b'x');
        chunked.extend_from_slice(b"\r\n0\r\n\r\n");
        assert_eq!(sent_in_full(chunked).await, "HTTP/1.1 413");
    }

    #[tokio::test]
    async fn an_announced_length_beyond_the_limit_is_refused_at_once() {
        let inner = tower::service_fn(|req: Request<Limited<Full<Bytes>>>| async move {
            req.into_body().collect().await
        });
        let stack = BodyLimitLayer::new(Limits::new(4)).layer(inner);
        for (announced, passes) in [("4", true), ("5", false), ("99999999999999999999", true)] {
            let request = Request::post("/").header(CONTENT_LENGTH, announced);
            let request = request.body(Full::new(Bytes::from("1234"))).unwrap();
            assert_eq!(stack.oneshot(request).await.is_ok(), passes, "{announced}");
        }
    }
}
