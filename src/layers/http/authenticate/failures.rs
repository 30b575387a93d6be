//! How many wrong proofs may come from one address.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown};
use crate::layers::http::client_address::network;
use crate::layers::rate::{Limiter, Rate, Refused};
use crate::observe::metrics::rate_limited;

/// `auth.failureLimit`: how often a wrong proof may come from one address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureLimit(Rate);

#[cfg(test)]
impl FailureLimit {
    pub(super) fn new(rate: Rate) -> Self {
        Self(rate)
    }
}

impl Default for FailureLimit {
    /// Ten a second, a hundred at once: somebody with many wrong clients, and nobody who guesses.
    fn default() -> Self {
        Self(Rate::new(10.0, NonZeroU32::new(100).expect("it is not zero")))
    }
}

impl Section for FailureLimit {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        self.0.set(fields);
    }
}

impl Shown for FailureLimit {
    fn shown(&self) -> Json {
        let (per_second, burst) = self.0.shown();
        json!({ "perSecond": per_second, "burst": burst })
    }
}

/// Counts them.
#[derive(Debug)]
pub(super) struct Failures(Limiter<IpAddr>);

impl Failures {
    pub(super) fn new(FailureLimit(rate): FailureLimit) -> Self {
        Self(Limiter::new(rate))
    }

    /// Whether one more wrong proof may come from there. Only wrong ones count, and nobody knows yet:
    /// many good ones may come at once, when an issuer has changed its keys.
    ///
    /// # Errors
    /// When there were too many: how long to wait.
    pub(super) fn check(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.count(address)?;
        self.0.give_back(&key(address));
        Ok(())
    }

    /// Counts a wrong proof.
    ///
    /// # Errors
    /// When there were too many: how long to wait.
    pub(super) fn count(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.0.take(&key(address), NonZeroU32::MIN).map_err(|refused| {
            rate_limited("authn");
            match refused {
                Refused::For(wait) => wait,
                Refused::Forever => Duration::MAX, // a burst is one at least
            }
        })
    }
}

/// Whoever comes without an address shares one.
fn key(address: Option<IpAddr>) -> IpAddr {
    network(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()))
}
