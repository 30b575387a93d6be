//! What the futures of all layers share that either refuse a request or pass it on.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// The refusal, at once, or whatever the inner service says.
    pub struct ResponseFuture<F, R> {
        refusal: Option<R>,
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R> ResponseFuture<F, R> {
    /// The request goes no further.
    pub(super) fn refused(refusal: R) -> Self {
        Self { refusal: Some(refusal), inner: None }
    }

    /// The inner service has it.
    pub(super) fn passed(inner: F) -> Self {
        Self { refusal: None, inner: Some(inner) }
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    E: From<R>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(inner) = this.inner.as_pin_mut() {
            return inner.poll(cx);
        }
        let refusal = this.refusal.take().expect("a future is not polled once it is ready");
        Poll::Ready(Err(refusal.into()))
    }
}
