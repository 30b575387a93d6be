//! Asks the gate about every entry that is called.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tower::{Layer, Service};

use super::Routed;
use crate::call::{Error, Reply};
use crate::catalogue::Route;
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
        let principal = &routed.call.principal;
        let verdict = match &routed.route {
            Route::Entry(entry) => self.gate.decide(principal, entry),
            Route::Backend(backend) => self.gate.decide_unread(principal, backend),
            // What is in a list is decided entry by entry, by whoever makes it.
            Route::List(_) => Verdict::Allow,
        };
        match verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny { reason, message } => {
                metrics::counter!("portcullis_denied_total", "reason" => reason).increment(1);
                Err(Error::Denied(message))
            }
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
