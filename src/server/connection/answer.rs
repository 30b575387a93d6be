//! What hyper calls for each request of a connection.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, Either};
use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use super::progress::{Progress, detain};
use super::{HttpService, Lasting};
use crate::server::{Body, Peer};

/// The service of a connection as hyper calls it.
pub(super) struct Answering<S: HttpService> {
    /// One for all requests of the connection: to clone it for each would write to what workers
    /// share.
    inner: RefCell<S>,
    peer: Peer,
    progress: Arc<Progress>,
    hands_over: bool,
}

/// What the service answers, at once or when it is ready.
type Answer<S> =
    Either<<S as Service<Request<Incoming>>>::Future, Pin<Box<Oneshot<S, Request<Incoming>>>>>;

impl<S: HttpService> Answering<S> {
    pub(super) fn new(inner: S, peer: Peer, progress: Arc<Progress>) -> Self {
        Self { inner: RefCell::new(inner), peer, progress, hands_over: false }
    }

    /// Whoever drives the connection looks for responses that [last](Lasting).
    pub(super) fn handing_over(self) -> Self {
        Self { hands_over: true, ..self }
    }

    fn answer(&self, req: Request<Incoming>) -> Answer<S> {
        let mut inner = self.inner.borrow_mut();
        match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Either::Left(inner.call(req)),
            Poll::Ready(Err(never)) => match never {},
            // Rare: our layers refuse rather than let anybody wait. The clone is who waits.
            Poll::Pending => Either::Right(Box::pin(inner.clone().oneshot(req))),
        }
    }
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Answering<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S>;

    fn call(&self, mut req: Request<Incoming>) -> Self::Future {
        self.progress.begin();
        req.extensions_mut().insert(self.peer.clone());
        // Of these alone hyper has read everything when they are answered, and sends the answer in
        // chunks.
        let may_last = self.hands_over
            && req.version() == Version::HTTP_11
            && req.method() == Method::GET
            && req.body().is_end_stream();
        let progress = may_last.then(|| self.progress.clone());
        // What a half-done request leaves behind is dropped; what is shared is behind locks that
        // tell of a panic, or atomics.
        let answer = panic::catch_unwind(AssertUnwindSafe(|| self.answer(req))).ok();
        ResponseFuture {
            inner: answer.map(|answer| AssertUnwindSafe(answer).catch_unwind()),
            progress,
        }
    }
}

pin_project! {
    /// The response, or 500 if the handler panicked: that costs one request and not the connection.
    pub(super) struct ResponseFuture<S: HttpService> {
        #[pin]
        inner: Option<CatchUnwind<AssertUnwindSafe<Answer<S>>>>,
        // If the response may take the connection over.
        progress: Option<Arc<Progress>>,
    }
}

impl<S: HttpService> Future for ResponseFuture<S> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll(cx)).ok(),
            None => None,
        };
        // The panic hook has logged it.
        let mut answer = answer.unwrap_or_else(|| {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        });
        if let (Some(progress), Ok(response)) = (this.progress.take(), &mut answer)
            && response.extensions().get::<Lasting>().is_some()
        {
            // Whoever takes over serves no further request (RFC 9112 §9.6).
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            let body = std::mem::take(response.body_mut());
            *response.body_mut() = detain(body, progress);
        }
        Poll::Ready(answer)
    }
}
