//! Asks the gate about every entry that is called.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tower::{Layer, Service};

use super::Routed;
use crate::call::{Error, Reply};
use crate::catalogue::Route;
use crate::mcp::Method;
use crate::observe::metrics::denied;
use crate::policy::{Gate, Verdict};

/// Puts [`Policy`] in front of a service.
#[derive(Clone, Debug)]
pub struct PolicyLayer(Arc<Gate>);

impl PolicyLayer {
    /// A layer that asks `gate`.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self(gate)
    }
}

impl<S> Layer<S> for PolicyLayer {
    type Service = Policy<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Policy { gate: Arc::clone(&self.0), inner }
    }
}

/// Refuses what the gate denies.
#[derive(Clone, Debug)]
pub struct Policy<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Policy<S> {
    fn check(&self, routed: &Routed) -> Result<(), Error> {
        let verdict = match &routed.route {
            Route::Entry(entry) => self.gate.decide_under(routed.visibility, entry),
            Route::Backend(backend) => {
                let request = &routed.call.request;
                let name = request.params().name.as_ref().map(|name| &*name.value);
                let tool = name.filter(|_| request.method() == Method::CallTool);
                self.gate.decide_unread(&routed.call.principal, backend, tool)
            }
            // What is in a list is decided entry by entry, by whoever makes it.
            Route::List(_) => Verdict::Allow,
        };
        allowed(verdict)
    }
}

/// What a verdict means to whoever asks, counted.
///
/// # Errors
/// When it is not to be.
pub fn allowed(verdict: Verdict) -> Result<(), Error> {
    match verdict {
        Verdict::Allow => Ok(()),
        Verdict::Deny { reason, message } => {
            denied(reason);
            Err(Error::Denied(message))
        }
        Verdict::Scope { required } => {
            denied("scope");
            Err(Error::Scope { required })
        }
    }
}

impl<S> Service<Routed> for Policy<S>
where
    S: Service<Routed, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = Either<Ready<Result<Reply, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        match self.check(&routed) {
            Ok(()) => Either::Right(self.inner.call(routed)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
