//! The task that keeps what is known of an issuer up to date.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{self, Instant};

use super::failure::Failure;
use super::pace::{back_off, regular};
use super::report::Report;
use super::source::{Said, Source};
use super::state::{Known, State};
use crate::authn::{Issuer, Jwks};

/// How long one attempt may take, with all documents that belong to it.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How often the age of the keys is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Keeps what is known of an issuer up to date. It alone writes it.
pub(super) struct Keeper {
    source: Source,
    jwks: Jwks,
    state: watch::Sender<State>,
    revocations: watch::Sender<u64>,
    wish: Arc<Notify>,
    report: Report,
    /// Whether the end of the keys has been told.
    has_expired: bool,
}

/// Why an issuer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It is time.
    Time,
    /// A token has a key that is not known.
    UnknownKey,
}

impl Keeper {
    /// Reads from `source` into `state`, when it is time and when there is a `wish`.
    pub(super) fn new(
        config: &Issuer,
        source: Source,
        jwks: Jwks,
        state: watch::Sender<State>,
        revocations: watch::Sender<u64>,
        wish: Arc<Notify>,
    ) -> Self {
        let report = Report::new(&config.issuer);
        Self { source, jwks, state, revocations, wish, report, has_expired: false }
    }

    /// Goes on for ever.
    pub(super) async fn run(mut self) {
        let mut cause = Cause::Time;
        loop {
            if cause == Cause::UnknownKey {
                self.state.send_modify(State::begin_renewal);
            }
            let attempt = self.source.ask(cause == Cause::UnknownKey);
            let answer = time::timeout(ATTEMPT, attempt).await;
            match answer.unwrap_or(Err(Failure::Slow(ATTEMPT))) {
                Ok(said) => self.succeed(said),
                Err(failure) => self.fail(&failure),
            }
            if cause == Cause::UnknownKey {
                self.state.send_modify(|state| state.end_renewal(Instant::now()));
            }
            cause = self.pause().await;
        }
    }

    fn succeed(&mut self, said: Said) {
        let now = Instant::now();
        let next = now + regular(self.jwks.refresh);
        let known = Known {
            keys: Arc::new(said.keys),
            introspection: said.introspection,
            since: now,
            until: now + self.jwks.refresh + self.jwks.grace,
        };
        let is_revoked = {
            let state = self.state.borrow();
            state.known().is_some_and(|before| !before.keys.is_within(&known.keys))
        };
        self.state.send_modify(|state| state.succeed(known, next));
        self.has_expired = false;
        self.report.succeeded();
        self.report.age(Duration::ZERO);
        if is_revoked {
            self.report.revoked();
            self.revoke();
        }
    }

    fn fail(&mut self, failure: &Failure) {
        let now = Instant::now();
        let next = now + back_off(self.state.borrow().failures().saturating_add(1));
        self.state.send_modify(|state| state.fail(next));
        let until = self.state.borrow().known().map(|known| known.until);
        let left = until.map(|until| until.saturating_duration_since(now));
        self.report.failed(failure, left.filter(|left| !left.is_zero()));
    }

    /// Waits until there is reason to ask again.
    async fn pause(&mut self) -> Cause {
        loop {
            self.measure();
            let (next, until) = {
                let state = self.state.borrow();
                (state.next(), state.known().map(|known| known.until))
            };
            let end = until.filter(|_| !self.has_expired);
            let measure = Instant::now() + MEASURE_EVERY;
            tokio::select! {
                () = time::sleep_until(next) => return Cause::Time,
                () = self.source.changed() => return Cause::Time,
                () = self.wish.notified() => {
                    let may = self.state.borrow().may_renew(self.jwks.cool_down, Instant::now());
                    if may {
                        return Cause::UnknownKey;
                    }
                }
                () = time::sleep_until(end.map_or(measure, |end| end.min(measure))) => {}
            }
        }
    }

    /// Sees how old the keys are.
    fn measure(&mut self) {
        let now = Instant::now();
        let known = self.state.borrow().known().map(|known| (known.since, known.until));
        let Some((since, until)) = known else { return };
        self.report.age(now.saturating_duration_since(since));
        if now >= until && !self.has_expired {
            self.has_expired = true;
            self.report.expired();
            self.revoke();
        }
    }

    fn revoke(&self) {
        self.revocations.send_modify(|count| *count += 1);
    }
}
