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
    /// Whether it is being asked because of one now.
    is_renewing: bool,
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
        Self {
            known: None,
            failures: 0,
            next: Instant::now(),
            renewals: 0,
            renewed: None,
            is_renewing: false,
        }
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
        now >= self.renewable_at(cool_down, now) && !self.is_failing()
    }

    /// From when on a token with an unknown key may cause a question.
    pub(super) fn renewable_at(&self, cool_down: Duration, now: Instant) -> Instant {
        self.renewed.map_or(now, |ended| ended + cool_down)
    }

    pub(super) fn renewals(&self) -> u64 {
        self.renewals
    }

    /// The number of the first renewal that begins from now on. One that is under way may have been
    /// answered before there was the key that somebody asks for now.
    pub(super) fn next_renewal(&self) -> u64 {
        self.renewals + 1 + u64::from(self.is_renewing)
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

    /// It is asked because of a token with an unknown key.
    pub(super) fn begin_renewal(&mut self) {
        self.is_renewing = true;
    }

    /// That is over.
    pub(super) fn end_renewal(&mut self, now: Instant) {
        (self.renewals, self.renewed, self.is_renewing) = (self.renewals + 1, Some(now), false);
    }
}
