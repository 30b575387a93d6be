//! Counts requests and how long they took.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::observe::metrics::http_request;

/// Counts every response by method, route and status, until its head.
#[derive(Clone, Copy, Debug)]
pub struct MetricsLayer {
    route: fn(&str) -> &'static str,
}

impl MetricsLayer {
    /// `route` names the group of routes that a path belongs to: one of few names, whatever a
    /// client asks for.
    pub fn new(route: fn(&str) -> &'static str) -> Self {
        Self { route }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics { inner, route: self.route }
    }
}

/// See [`MetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Metrics<S> {
    inner: S,
    route: fn(&str) -> &'static str,
}

impl<S, B, R> Service<Request<B>> for Metrics<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let (method, route) = (name_of(req.method()), (self.route)(req.uri().path()));
        ResponseFuture { method, route, since: Instant::now(), inner: self.inner.call(req) }
    }
}

/// A client can make up methods, but not label values.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

pin_project! {
    /// The inner response, counted.
    pub struct ResponseFuture<F> {
        method: &'static str,
        route: &'static str,
        since: Instant,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Ok(response) = &result {
            http_request(this.method, this.route, response.status(), this.since.elapsed());
        }
        Poll::Ready(result)
    }
}
