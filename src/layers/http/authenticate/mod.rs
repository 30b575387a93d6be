//! Who makes the request: every one leaves this layer with a principal, or does not leave it.

mod failures;
mod future;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request};
use tower::{Layer, Service};

use super::client_address::ClientAddress;
use super::connected::origin;
use crate::authn::{Answer, Asked, Authenticator, Refusal, challenge};
use crate::call::{Principal, retry_seconds};
use crate::server::Peer;

pub use failures::FailureLimit;
pub use future::ResponseFuture;

use failures::Failures;
use future::Checking;
use report::Report;

/// Nobody knows who makes the request, or they may not come in.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// The proof is missing or does not do.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// `WWW-Authenticate`.
        challenge: Option<HeaderValue>,
    },
    /// Too many wrong proofs came from there.
    #[error(
        "too many requests with wrong credentials came from this address; try again in {} s",
        retry_seconds(*wait)
    )]
    TooMany {
        /// When there is room again.
        wait: Duration,
    },
}

impl Unauthenticated {
    /// For the `Retry-After` header, if it helps to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { wait } => Some(*wait),
            Self::Refused { refusal: Refusal::Unavailable { retry_after, .. }, .. } => {
                Some(*retry_after)
            }
            Self::Refused { .. } => None,
        }
    }
}

/// Puts an `Arc<Principal>` into the extensions of every request, and takes credentials out of its
/// headers.
///
/// Clones share what they know, across workers.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    authenticator: Arc<Authenticator>,
    failures: Failures,
    report: Report,
}

impl AuthenticateLayer {
    /// Asks `authenticator`; from one address so many wrong proofs may come.
    pub fn new(authenticator: Arc<Authenticator>, limit: FailureLimit) -> Self {
        let (failures, report) = (Failures::new(limit), Report::new());
        Self(Arc::new(Guard { authenticator, failures, report }))
    }
}

impl Guard {
    /// The answer to a request that was refused.
    fn refuse(&self, refusal: Refusal, asked: &Asked<'_>) -> Unauthenticated {
        if refusal.is_attempt()
            && let Err(wait) = self.failures.count(asked.address)
        {
            return self.limited(wait, asked);
        }
        self.refused(refusal, asked)
    }

    fn limited(&self, wait: Duration, asked: &Asked<'_>) -> Unauthenticated {
        self.report.limited(asked.address);
        Unauthenticated::TooMany { wait }
    }

    /// Lets a request on, without what has proven who sends it.
    fn admit<B>(&self, principal: Arc<Principal>, mut request: Request<B>) -> Request<B> {
        Report::admitted(&principal);
        self.authenticator.strip(request.headers_mut());
        request.extensions_mut().insert(principal);
        request
    }

    fn refused(&self, refusal: Refusal, asked: &Asked<'_>) -> Unauthenticated {
        let (resources, required) = (self.authenticator.resources(), self.authenticator.required());
        let metadata = resources.metadata_url(asked.origin, asked.uri.path());
        let challenge = challenge(&refusal, metadata.as_deref(), required);
        self.report.refused(&refusal, asked.address);
        Unauthenticated::Refused { refusal, challenge }
    }
}

/// What a request brings along.
fn asked<B>(request: &Request<B>) -> Asked<'_> {
    let (peer, client) = (request.extensions().get::<Peer>(), ClientAddress::of(request));
    Asked {
        headers: request.headers(),
        uri: request.uri(),
        address: client.map(|client| client.address),
        is_proxied: client.is_some_and(|client| client.is_proxied),
        certificate: peer.and_then(Peer::certificate),
        memory: peer.map(Peer::memory),
        origin: origin(request),
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner, guard: Arc::clone(&self.0) }
    }
}

/// See [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: From<Unauthenticated>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = asked(&request);
        match self.guard.authenticator.authenticate(&asked) {
            Answer::Now(Ok(principal)) => {
                let request = self.guard.admit(principal, request);
                ResponseFuture::passed(self.inner.call(request))
            }
            Answer::Now(Err(refusal)) => {
                ResponseFuture::refused(self.guard.refuse(refusal, &asked))
            }
            Answer::Later(answer) => {
                if let Err(wait) = self.guard.failures.check(asked.address) {
                    return ResponseFuture::refused(self.guard.limited(wait, &asked));
                }
                // The service that was ready goes along; its clone waits for the next request.
                let ready = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, ready);
                let guard = Arc::clone(&self.guard);
                ResponseFuture::checking(Checking { answer, request, inner, guard })
            }
        }
    }
}
