//! The response to a request whose sender is known, or becomes known first.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use http::Request;
use pin_project_lite::pin_project;
use tower::Service;

use super::{Guard, Unauthenticated, asked};
use crate::authn::Refusal;
use crate::call::Principal;

pin_project! {
    /// The refusal, or whatever the inner service says.
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Refused { error: Option<Unauthenticated> },
        Passed { #[pin] inner: F },
        // Boxed: it is rare, and large.
        Checking { checking: Option<Box<Checking<S, B>>> },
    }
}

/// A request whose proof takes work.
pub(super) struct Checking<S, B> {
    pub(super) answer: BoxFuture<'static, Result<Arc<Principal>, Refusal>>,
    pub(super) request: Request<B>,
    pub(super) inner: S,
    pub(super) guard: Arc<Guard>,
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) fn refused(error: Unauthenticated) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn passed(inner: F) -> Self {
        Self { state: State::Passed { inner } }
    }

    pub(super) fn checking(checking: Checking<S, B>) -> Self {
        Self { state: State::Checking { checking: Some(Box::new(checking)) } }
    }
}

impl<S, B> Checking<S, B>
where
    S: Service<Request<B>>,
{
    fn settled(
        mut self,
        answer: Result<Arc<Principal>, Refusal>,
    ) -> Result<S::Future, Unauthenticated> {
        match answer {
            Ok(principal) => Ok(self.inner.call(self.guard.admit(principal, self.request))),
            Err(refusal) => Err(self.guard.refuse(refusal, &asked(&self.request))),
        }
    }
}

impl<S, B> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>>,
    S::Error: From<Unauthenticated>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Passed { inner } => return inner.poll(cx),
                StateProj::Refused { error } => {
                    let error = error.take().expect("a future is not polled once it is ready");
                    return Poll::Ready(Err(error.into()));
                }
                StateProj::Checking { checking } => {
                    let found = checking.as_mut().expect("it is there until it is settled");
                    let answer = ready!(found.answer.as_mut().poll(cx));
                    let found = checking.take().expect("it was there just before");
                    state.set(match found.settled(answer) {
                        Ok(inner) => State::Passed { inner },
                        Err(error) => State::Refused { error: Some(error) },
                    });
                }
            }
        }
    }
}
