//! How often a caller may ask: one who is known by who they are, others by where they come from.
//!
//! It stands behind authentication and before the body is read, so a refusal answers under no id.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower::{Layer, Service};

use super::client_address::{ClientAddress, network};
use super::refuse::ResponseFuture;
use crate::call::{Principal, retry_seconds};
use crate::layers::identity::Identity;
use crate::layers::rate::{Limiter, Rate, Refused};
use crate::observe::metrics::rate_limited;

/// The caller asks too often.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RateLimited {
    /// Not now.
    #[error(
        "too many requests: rateLimit allows {rate} for {whose}; try again in {} s",
        retry_seconds(*wait)
    )]
    For {
        /// What is allowed.
        rate: Rate,
        /// For whom.
        whose: &'static str,
        /// When there is room again.
        wait: Duration,
    },
    /// More messages in one batch than are ever allowed at once.
    #[error("a batch of {count} messages never fits in rateLimit.burst, {burst}; send fewer")]
    Forever {
        /// How many they are.
        count: u32,
        /// How many may come at once.
        burst: u32,
    },
}

impl RateLimited {
    /// For the `Retry-After` header, if it helps to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::For { wait, .. } => Some(*wait),
            Self::Forever { .. } => None,
        }
    }
}

/// Known callers and addresses are counted apart, so that a crowd of addresses is no trouble to
/// those who are known.
#[derive(Debug)]
struct Limiters {
    known: Limiter<Identity>,
    unknown: Limiter<IpAddr>,
}

#[derive(Debug)]
enum Caller {
    Known(Identity),
    Unknown(IpAddr),
}

impl Caller {
    fn of<B>(req: &Request<B>) -> Self {
        let principal = req.extensions().get::<Arc<Principal>>();
        if let Some(principal) = principal.cloned().map(Identity)
            && !principal.is_anonymous()
        {
            return Self::Known(principal);
        }
        // Whoever comes without an address shares one.
        let address = ClientAddress::of(req);
        Self::Unknown(
            address.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| network(client.address)),
        )
    }
}

impl Limiters {
    fn take(&self, caller: &Caller, count: NonZeroU32) -> Result<(), RateLimited> {
        let Self { known, unknown } = self;
        let (taken, whose) = match caller {
            Caller::Known(identity) => (known.take(identity, count), "each caller"),
            Caller::Unknown(address) => (unknown.take(address, count), "each address"),
        };
        let rate = known.rate();
        taken.map_err(|refused| {
            rate_limited("rate");
            match refused {
                Refused::For(wait) => RateLimited::For { rate, whose, wait },
                Refused::Forever => {
                    RateLimited::Forever { count: count.get(), burst: rate.burst() }
                }
            }
        })
    }
}

/// Charges every request for one message, and refuses it if its caller has no more left.
///
/// Clones charge together, across workers.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(Option<Arc<Limiters>>);

impl RateLimitLayer {
    /// At this rate for each caller; without one there is no limit.
    pub fn new(rate: Option<Rate>) -> Self {
        let limiters = |rate| Limiters { known: Limiter::new(rate), unknown: Limiter::new(rate) };
        Self(rate.map(limiters).map(Arc::new))
    }

    /// Charges for the messages of a batch, for all or for none; one has been charged with the
    /// request that brought it.
    ///
    /// # Errors
    /// When they are more than the caller may send now.
    pub fn charge_batch<B>(&self, req: &Request<B>, messages: usize) -> Result<(), RateLimited> {
        let Some(limiters) = &self.0 else { return Ok(()) };
        let burst = limiters.known.rate().burst();
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        if count > burst {
            rate_limited("rate");
            return Err(RateLimited::Forever { count, burst });
        }
        let others = NonZeroU32::new(count.saturating_sub(1));
        others.map_or(Ok(()), |others| limiters.take(&Caller::of(req), others))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, limiters: self.0.clone() }
    }
}

/// See [`RateLimitLayer`].
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    limiters: Option<Arc<Limiters>>,
}

impl<S> RateLimit<S> {
    fn check<B>(&self, req: &Request<B>) -> Result<(), RateLimited> {
        let Some(limiters) = &self.limiters else { return Ok(()) };
        limiters.take(&Caller::of(req), NonZeroU32::MIN)
    }
}

impl<S, B> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>>,
    S::Error: From<RateLimited>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, RateLimited>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.check(&req) {
            Ok(()) => ResponseFuture::passed(self.inner.call(req)),
            Err(refused) => ResponseFuture::refused(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    fn layer(per_second: f64, burst: u32) -> RateLimitLayer {
        RateLimitLayer::new(Some(Rate::new(per_second, NonZeroU32::new(burst).unwrap())))
    }

    fn request(subject: &str, address: &str) -> Request<()> {
        let mut request = Request::new(());
        let principal = Principal { subject: subject.into(), ..Principal::anonymous() };
        request.extensions_mut().insert(Arc::new(principal));
        if let Ok(address) = address.parse() {
            request.extensions_mut().insert(ClientAddress { address, is_proxied: false });
        }
        request
    }

    async fn send(layer: &RateLimitLayer, request: Request<()>) -> Result<(), RateLimited> {
        let inner = tower::service_fn(async |_: Request<()>| Ok::<_, RateLimited>(()));
        layer.layer(inner).oneshot(request).await
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_a_limit_of_their_own() {
        for (name, first, second, shared) in [
            ("one address", ("", "192.0.2.1"), ("", "192.0.2.1"), true),
            ("two addresses", ("", "192.0.2.1"), ("", "192.0.2.2"), false),
            ("one site", ("", "2001:db8::1"), ("", "2001:db8::2:3:4:5"), true),
            ("two sites", ("", "2001:db8::1"), ("", "2001:db8:0:1::1"), false),
            ("one principal", ("ada", "192.0.2.1"), ("ada", "192.0.2.2"), true),
            ("two principals", ("ada", "192.0.2.1"), ("bob", "192.0.2.1"), false),
            ("known and unknown", ("ada", "192.0.2.1"), ("", "192.0.2.1"), false),
            ("no address", ("", ""), ("", ""), true),
        ] {
            let layer = layer(1.0, 1);
            assert_eq!(send(&layer, request(first.0, first.1)).await, Ok(()), "{name}");
            let refused = send(&layer, request(second.0, second.1)).await.is_err();
            assert_eq!(refused, shared, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_says_what_is_allowed_to_whom_and_when_there_is_room() {
        let layer = layer(0.4, 1);
        send(&layer, request("", "192.0.2.1")).await.unwrap();
        let refused = send(&layer, request("", "192.0.2.1")).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(2500)));
        assert_eq!(
            refused.to_string(),
            "too many requests: rateLimit allows 0.4 per second (burst 1) for each address; \
             try again in 3 s"
        );
        tokio::time::advance(Duration::from_millis(2500)).await;
        assert!(send(&layer, request("", "192.0.2.1")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_charged_as_a_whole() {
        let layer = layer(1.0, 5);
        let batch = |messages| layer.charge_batch(&request("", "192.0.2.1"), messages);
        assert_eq!(batch(1), Ok(()), "one is charged with the request");
        assert_eq!(batch(5), Ok(()));
        assert!(matches!(batch(3), Err(RateLimited::For { .. })));
        assert_eq!(batch(2), Ok(()), "a batch that does not fit takes nothing");
        let never = batch(6).unwrap_err();
        assert_eq!(never.retry_after(), None);
        assert!(never.to_string().contains("a batch of 6 messages never fits"), "{never}");
    }

    #[tokio::test]
    async fn without_a_rate_there_is_no_limit() {
        let layer = RateLimitLayer::new(None);
        for _ in 0..1000 {
            assert_eq!(send(&layer, request("", "192.0.2.1")).await, Ok(()));
        }
        assert_eq!(layer.charge_batch(&request("", "192.0.2.1"), 1000), Ok(()));
    }
}
