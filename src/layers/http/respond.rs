//! Errors become responses here, below the layers that have to see every response.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

/// Turns the stack's error into a response with a function handed in, so that the stack above
/// cannot fail.
#[derive(Clone, Copy, Debug)]
pub struct RespondLayer<F> {
    map: F,
}

impl<F> RespondLayer<F> {
    /// `map` is called with each error that comes up.
    pub fn new(map: F) -> Self {
        Self { map }
    }
}

impl<S, F: Clone> Layer<S> for RespondLayer<F> {
    type Service = Respond<S, F>;

    fn layer(&self, inner: S) -> Respond<S, F> {
        Respond { inner, map: self.map.clone() }
    }
}

/// See [`RespondLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Respond<S, F> {
    inner: S,
    map: F,
}

impl<S, F, B, R> Service<Request<B>> for Respond<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    F: Fn(&S::Error) -> Response<R> + Clone,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future, F, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.inner.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            // There is no request yet that could be answered. Layers of the edge refuse in `call`.
            Poll::Ready(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        ResponseFuture { inner: self.inner.call(req), map: self.map.clone(), response: PhantomData }
    }
}

pin_project! {
    /// The inner response, or the error's.
    pub struct ResponseFuture<I, F, R> {
        #[pin]
        inner: I,
        map: F,
        response: PhantomData<fn() -> R>,
    }
}

impl<I, F, R, E> Future for ResponseFuture<I, F, R>
where
    I: Future<Output = Result<Response<R>, E>>,
    F: Fn(&E) -> Response<R>,
{
    type Output = Result<Response<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        Poll::Ready(Ok(result.unwrap_or_else(|error| (this.map)(&error))))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn an_error_becomes_the_response_that_the_map_makes_of_it() {
        let inner = tower::service_fn(|req: Request<&'static str>| async move {
            if *req.body() == "bad" { Err("refused") } else { Ok(Response::new("fine")) }
        });
        let map = |error: &&'static str| {
            let mut response = Response::new(*error);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        };
        let stack = RespondLayer::new(map).layer(inner);
        let Ok(fine) = stack.oneshot(Request::new("good")).await;
        assert_eq!((fine.status(), *fine.body()), (StatusCode::OK, "fine"));
        let Ok(refused) = stack.oneshot(Request::new("bad")).await;
        assert_eq!((refused.status(), *refused.body()), (StatusCode::FORBIDDEN, "refused"));
    }
}
