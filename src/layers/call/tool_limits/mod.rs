//! How often, and how many at a time, tools may be called. Nothing waits: what does not fit is
//! refused at once.

mod config;
mod in_flight;

#[cfg(test)]
mod tests;

pub use config::{Per, ToolLimit};

use std::future::{Ready, ready};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::Either;
use pin_project_lite::pin_project;
use smallvec::SmallVec;
use tower::{Layer, Service};

use super::{Routed, Tool};
use crate::call::{Call, Error, Reply, SessionId};
use crate::layers::identity::Identity;
use crate::layers::rate::{Limiter, Refused};
use crate::observe::metrics::rate_limited;
use in_flight::{InFlight, Permit};

/// When calls that are under way may have ended.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Whose calls are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Session(SessionId),
    Principal(Identity),
    All,
}

impl Owner {
    /// A call without a session counts for its principal. All who are anonymous are one principal,
    /// for a call does not know where it comes from.
    fn of(call: &Call, per: Per) -> Self {
        let principal = || Self::Principal(Identity(Arc::clone(&call.principal)));
        match per {
            Per::Session => call.client.session.map_or_else(principal, Self::Session),
            Per::Principal => principal(),
            Per::All => Self::All,
        }
    }

    fn whose(&self) -> &'static str {
        match self {
            Self::Session(_) => "each session",
            Self::Principal(identity) if identity.is_anonymous() => {
                "all anonymous callers together"
            }
            Self::Principal(_) => "each caller",
            Self::All => "all callers together",
        }
    }
}

/// A rule with what it has counted.
#[derive(Debug)]
struct Rule {
    path: Box<str>,
    matches: ToolLimit,
    in_flight: Option<Arc<InFlight>>,
    rate: Option<Limiter<Owner>>,
}

impl Rule {
    fn new(index: usize, limit: ToolLimit) -> Self {
        Self {
            path: format!("toolLimits[{index}]").into(),
            in_flight: limit.max_in_flight.map(InFlight::new).map(Arc::new),
            rate: limit.rate.map(Limiter::new),
            matches: limit,
        }
    }

    fn is_for(&self, tool: &Tool<'_>) -> bool {
        self.matches.backend.matches(tool.backend) && self.matches.tool.matches(tool.original)
    }

    fn claim(&self, owner: Owner, tool: &Tool<'_>) -> Result<Claim<'_>, Error> {
        let error = |limit: String, whose, retry_after| Error::Limited {
            tool: tool.exposed.into(),
            backend: tool.backend.into(),
            rule: self.path.clone(),
            limit: limit.into(),
            whose,
            retry_after,
        };
        let mut claim = Claim { rule: self, owner, permit: None, has_token: false };
        let whose = claim.owner.whose();
        if let Some(in_flight) = &self.in_flight {
            let Some(permit) = in_flight.take(&claim.owner) else {
                rate_limited("tool_in_flight");
                let limit = format!("{} calls at a time", in_flight.limit());
                return Err(error(limit, whose, RETRY_SOON));
            };
            claim.permit = Some(permit);
        }
        if let Some(rate) = &self.rate {
            if let Err(refused) = rate.take(&claim.owner, NonZeroU32::MIN) {
                rate_limited("tool_rate");
                let wait = match refused {
                    Refused::For(wait) => wait,
                    Refused::Forever => RETRY_SOON, // one never exceeds a burst
                };
                return Err(error(rate.rate().to_string(), whose, wait));
            }
            claim.has_token = true;
        }
        Ok(claim)
    }
}

/// What one rule has granted to a call; it takes that back unless the call is made.
struct Claim<'a> {
    rule: &'a Rule,
    owner: Owner,
    permit: Option<Permit>,
    has_token: bool,
}

impl Claim<'_> {
    /// The call is made: what is left is to be held until it ends.
    fn spend(mut self) -> Option<Permit> {
        self.has_token = false;
        self.permit.take()
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let (true, Some(rate)) = (self.has_token, &self.rule.rate) {
            rate.give_back(&self.owner);
        }
    }
}

type Permits = SmallVec<[Permit; 1]>;

/// Puts [`ToolLimits`] in front of a service.
///
/// Clones count together, across workers.
#[derive(Clone, Debug)]
pub struct ToolLimitsLayer(Arc<[Rule]>);

impl ToolLimitsLayer {
    /// These rules, in the order in which they are asked.
    pub fn new(limits: &[ToolLimit]) -> Self {
        Self(limits.iter().cloned().enumerate().map(|(at, limit)| Rule::new(at, limit)).collect())
    }
}

impl<S> Layer<S> for ToolLimitsLayer {
    type Service = ToolLimits<S>;

    fn layer(&self, inner: S) -> ToolLimits<S> {
        ToolLimits { rules: Arc::clone(&self.0), inner }
    }
}

/// Refuses calls of tools that are beyond a limit.
#[derive(Clone, Debug)]
pub struct ToolLimits<S> {
    rules: Arc<[Rule]>,
    inner: S,
}

impl<S> ToolLimits<S> {
    /// Every rule for the tool has to grant the call; if one does not, none has counted it.
    fn check(&self, call: &Call, tool: &Tool<'_>) -> Result<Permits, Error> {
        let rules = self.rules.iter().filter(|rule| rule.is_for(tool));
        let claims = rules.map(|rule| rule.claim(Owner::of(call, rule.matches.per), tool));
        let claims = claims.collect::<Result<SmallVec<[_; 2]>, _>>()?;
        Ok(claims.into_iter().filter_map(Claim::spend).collect())
    }
}

impl<S> Service<Routed> for ToolLimits<S>
where
    S: Service<Routed, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = Either<Ready<Result<Reply, Error>>, ResponseFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let tool = if self.rules.is_empty() { None } else { routed.tool() };
        match tool.map_or(Ok(Permits::new()), |tool| self.check(&routed.call, &tool)) {
            Ok(permits) => {
                Either::Right(ResponseFuture { inner: self.inner.call(routed), permits })
            }
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

pin_project! {
    /// The inner reply, which holds the call's permits until it ends.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        permits: Permits,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        let permits = std::mem::take(this.permits);
        if let (Ok(reply), false) = (&mut result, permits.is_empty()) {
            reply.hold(permits);
        }
        Poll::Ready(result)
    }
}
