//! What is known of an issuer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::Unavailable;
use super::pace::SOON;
use crate::authn::keys::KeySet;

/// What is known of an issuer. One task writes it, and whoever has a token reads it.
#[derive(Clone, Debug)]
pub(super) struct State {
    known: Option<Known>,
    /// How many attempts in a row went wrong.
    failures: u32,
    /// When the issuer is asked again at the latest.
    next: Instant,
    /// How often it was asked because of a token with an unknown key, and when that last ended.
    renewals: u64,
    renewed: Option<Instant>,
}

/// What its last good answer said.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) keys: Arc<KeySet>,
    /// Where to ask about tokens, according to the metadata.
    pub(super) introspection: Option<Url>,
    pub(super) since: Instant,
    /// Until when it holds.
    pub(super) until: Instant,
}

impl State {
    pub(super) fn new() -> Self {
        Self { known: None, failures: 0, next: Instant::now(), renewals: 0, renewed: None }
    }

    /// The keys, unless there are none yet or they are too old.
    pub(super) fn keys(&self, now: Instant) -> Result<Arc<KeySet>, Unavailable> {
        match &self.known {
            Some(known) if now < known.until => Ok(Arc::clone(&known.keys)),
            _ => Err(self.unavailable(now)),
        }
    }

    /// The keys, if the issuer has no others as far as anybody can tell.
    pub(super) fn renewed_keys(&self, now: Instant) -> Result<Arc<KeySet>, Unavailable> {
        if self.is_failing() { Err(self.unavailable(now)) } else { self.keys(now) }
    }

    /// Whether it has not been asked yet, to the end.
    pub(super) fn is_new(&self) -> bool {
        self.known.is_none() && !self.is_failing()
    }

    /// Whether a token with an unknown key may cause a question. An issuer that fails is asked again
    /// anyhow.
    pub(super) fn may_renew(&self, cool_down: Duration, now: Instant) -> bool {
        let is_cool = self.renewed.is_none_or(|ended| now >= ended + cool_down);
        is_cool && !self.is_failing()
    }

    pub(super) fn renewals(&self) -> u64 {
        self.renewals
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn unavailable(&self, now: Instant) -> Unavailable {
        Unavailable { retry_after: self.next.saturating_duration_since(now).max(SOON) }
    }

    /// The issuer has answered.
    pub(super) fn succeed(&mut self, known: Known, next: Instant) {
        (self.known, self.failures, self.next) = (Some(known), 0, next);
    }

    /// The issuer has not answered, or nothing of use.
    pub(super) fn fail(&mut self, next: Instant) {
        (self.failures, self.next) = (self.failures.saturating_add(1), next);
    }

    /// That was because of a token with an unknown key.
    pub(super) fn renew(&mut self, now: Instant) {
        (self.renewals, self.renewed) = (self.renewals + 1, Some(now));
    }
}
