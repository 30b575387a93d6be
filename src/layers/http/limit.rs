//! How many requests may be under way: shedding and limiting in one layer, because tower's
//! `LoadShed` erases the error that our responses are made of.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::refuse;

/// What a client should wait before it tries again: long enough for calls to end.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// There are as many requests under way as there may be.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{limit} requests are under way, as many as there may be; try again later")]
pub struct Overloaded {
    limit: usize,
}

impl Overloaded {
    /// As many as `limit` are under way.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// For the `Retry-After` header.
    pub fn retry_after(&self) -> Duration {
        RETRY_AFTER
    }
}

/// Something counted, up to a limit.
#[derive(Debug)]
pub(super) struct Count {
    taken: AtomicUsize,
    limit: usize,
}

impl Count {
    pub(super) fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes one until the permit is dropped; `None` if all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Permit> {
        let permit = Permit(self.clone());
        // Counted first: two that come at once may both be refused at the edge, never both pass.
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(permit)
    }
}

/// One of a [`Count`].
#[derive(Debug)]
pub(super) struct Permit(Arc<Count>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts requests until their response begins, and refuses those beyond the limit.
///
/// Clones count together, across workers. What streams is limited by [`super::streams`].
#[derive(Clone, Debug)]
pub struct LimitLayer(Arc<Count>);

impl LimitLayer {
    /// At most so many at a time.
    pub fn new(max_in_flight: usize) -> Self {
        Self(Arc::new(Count::new(max_in_flight)))
    }

    /// How many there are now.
    pub fn in_flight(&self) -> usize {
        self.0.taken()
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit { inner, count: self.0.clone() }
    }
}

/// See [`LimitLayer`].
#[derive(Clone, Debug)]
pub struct Limit<S> {
    inner: S,
    count: Arc<Count>,
}

impl<S, B> Service<Request<B>> for Limit<S>
where
    S: Service<Request<B>>,
    S::Error: From<Overloaded>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let permit = self.count.take();
        let inner = if permit.is_some() {
            refuse::ResponseFuture::passed(self.inner.call(req))
        } else {
            refuse::ResponseFuture::refused(Overloaded { limit: self.count.limit() })
        };
        ResponseFuture { inner, permit }
    }
}

pin_project! {
    /// The inner response; the request counts until it is there.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: refuse::ResponseFuture<F, Overloaded>,
        permit: Option<Permit>,
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<Overloaded>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let poll = this.inner.poll(cx);
        if poll.is_ready() {
            // hyper may keep the future a little longer than it needs it.
            *this.permit = None;
        }
        poll
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_request_beyond_the_limit_is_refused_until_another_ends() {
        let (release, released) = tokio::sync::watch::channel(false);
        let inner = tower::service_fn(move |_: Request<()>| {
            let mut released = released.clone();
            async move {
                released.wait_for(|released| *released).await.unwrap();
                Ok::<_, Overloaded>(())
            }
        });
        let layer = LimitLayer::new(1);
        let stack = layer.layer(inner);
        let mut first = by_hand(stack.clone().oneshot(Request::new(())));
        assert!(first.poll_once().is_pending());
        assert_eq!(layer.in_flight(), 1);
        let refused = stack.clone().oneshot(Request::new(())).await.unwrap_err();
        assert_eq!(refused.retry_after(), RETRY_AFTER);
        release.send_replace(true);
        assert!(first.poll_once().is_ready());
        assert_eq!(layer.in_flight(), 0);
        assert!(stack.oneshot(Request::new(())).await.is_ok());
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_no_longer_counts() {
        let inner =
            tower::service_fn(|_: Request<()>| std::future::pending::<Result<(), Overloaded>>());
        let layer = LimitLayer::new(1);
        let mut given_up = by_hand(layer.layer(inner).oneshot(Request::new(())));
        assert!(given_up.poll_once().is_pending());
        drop(given_up);
        assert_eq!(layer.in_flight(), 0);
    }

    struct Polled<F>(Pin<Box<F>>);

    fn by_hand<F: Future>(future: F) -> Polled<F> {
        Polled(Box::pin(future))
    }

    impl<F: Future> Polled<F> {
        fn poll_once(&mut self) -> Poll<F::Output> {
            self.0.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
        }
    }
}
