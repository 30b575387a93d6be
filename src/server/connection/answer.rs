//! What hyper calls for each request of a connection.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, Either};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};

use super::HttpService;
use crate::server::{Body, Peer};

/// The service of a connection as hyper calls it.
pub(super) struct Answering<S: HttpService> {
    /// One for all requests of the connection: to clone it for each would write to what workers
    /// share.
    inner: RefCell<S>,
    peer: Peer,
    begun: Arc<AtomicBool>,
}

/// What the service answers, at once or when it is ready.
type Answer<S> =
    Either<<S as Service<Request<Incoming>>>::Future, Pin<Box<Oneshot<S, Request<Incoming>>>>>;

impl<S: HttpService> Answering<S> {
    /// Sets `begun` when a request has come.
    pub(super) fn new(inner: S, peer: Peer, begun: Arc<AtomicBool>) -> Self {
        Self { inner: RefCell::new(inner), peer, begun }
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
        self.begun.store(true, Ordering::Relaxed);
        req.extensions_mut().insert(self.peer.clone());
        // What a half-done request leaves behind is dropped; what is shared is behind locks that
        // tell of a panic, or atomics.
        let answer = panic::catch_unwind(AssertUnwindSafe(|| self.answer(req))).ok();
        ResponseFuture { inner: answer.map(|answer| AssertUnwindSafe(answer).catch_unwind()) }
    }
}

pin_project! {
    /// The response, or 500 if the handler panicked: that costs one request and not the connection.
    pub(super) struct ResponseFuture<S: HttpService> {
        #[pin]
        inner: Option<CatchUnwind<AssertUnwindSafe<Answer<S>>>>,
    }
}

impl<S: HttpService> Future for ResponseFuture<S> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match self.project().inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll(cx)).ok(),
            None => None,
        };
        // The panic hook has logged it.
        Poll::Ready(answer.unwrap_or_else(|| {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        }))
    }
}
