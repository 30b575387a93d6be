//! Authorization servers: their metadata, their keys, and what they say of opaque tokens.

mod failure;
mod introspect;
mod keeper;
mod metadata;
mod pace;
mod report;
mod source;
mod state;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{self, Instant};
use tokio_util::task::AbortOnDropHandle;

use super::keys::KeySet;
use super::{Issuer, Jwks, Surroundings};
use crate::outbound::{Bounds, Client, Fetcher, Guard};

use introspect::Introspector;
use keeper::Keeper;
use source::Source;
use state::State;

/// An issuer cannot be asked, and what is known of it is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unavailable {
    /// When it is asked again.
    pub(super) retry_after: Duration,
}

/// An authorization server as we know it. It keeps itself up to date in the background.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Issuer,
    jwks: Jwks,
    state: watch::Receiver<State>,
    wish: Arc<Notify>,
    revocations: watch::Receiver<u64>,
    introspector: Option<Arc<Introspector>>,
    waiting: Semaphore,
    around: Surroundings,
}

/// How many requests wait at one time to be told whether an issuer has a new key.
const MAX_WAITING: usize = 256;
/// How long one waits at most before the issuer may be asked again.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What an introspection endpoint says of a token (RFC 7662 §2.2): the members of its answer, whose
/// `active` was true.
pub(super) type Introspected = serde_json::Map<String, serde_json::Value>;

impl Server {
    /// Begins to ask for its keys.
    pub(super) fn start(config: &Issuer, jwks: Jwks, around: &Surroundings) -> Arc<Self> {
        Self::start_within(Bounds::default(), config, jwks, around)
    }

    fn start_within(
        bounds: Bounds,
        config: &Issuer,
        jwks: Jwks,
        around: &Surroundings,
    ) -> Arc<Self> {
        let client = Client::new(Arc::clone(&around.trust), around.tasks.clone());
        let guard = Guard {
            allow_private: config.allow_private_ip_jwks,
            private_hosts: config.allow_private_ip_jwks_hosts.clone(),
        };
        let fetcher = Arc::new(Fetcher::new(client, guard, bounds));
        let (state, now_known) = watch::channel(State::new());
        let (revocations, revoked) = watch::channel(0);
        let introspector = config.introspection.as_ref().map(|how| {
            let state = now_known.clone();
            Arc::new(Introspector::new(config, how, Arc::clone(&fetcher), state))
        });
        let wish = Arc::new(Notify::new());
        let source = Source::new(config, fetcher);
        let keeper = Keeper::new(config, source, jwks, state, revocations, Arc::clone(&wish));
        let stop = around.stop.clone();
        let keeping = async move { stop.run_until_cancelled(keeper.run()).await };
        around.tasks.spawn_on(keeping, &around.runtime);
        Arc::new(Self {
            config: config.clone(),
            jwks,
            state: now_known,
            wish,
            revocations: revoked,
            introspector,
            waiting: Semaphore::new(MAX_WAITING),
            around: around.clone(),
        })
    }

    /// Its keys as they are known now.
    pub(super) fn keys(&self) -> Result<Arc<KeySet>, Unavailable> {
        self.state.borrow().keys(Instant::now())
    }

    /// Its keys after asking for them anew, which happens once for all who wait, and not more often
    /// than the cool-down allows: who comes too early waits, for nobody can tell a new key from one
    /// that was made up. While the issuer cannot be asked, or too many wait, or would have to wait
    /// too long, there is no answer.
    pub(super) fn renewed_keys(
        self: &Arc<Self>,
    ) -> BoxFuture<'static, Result<Arc<KeySet>, Unavailable>> {
        let this = Arc::clone(self);
        Box::pin(async move {
            let mut state = this.state.clone();
            // An error is the end of the gateway: nobody asks any more.
            if state.borrow().is_new() {
                let _ = state.wait_for(|it| !it.is_new()).await;
                return state.borrow().renewed_keys(Instant::now());
            }
            let (wanted, left) = {
                let (known, now) = (state.borrow(), Instant::now());
                if known.is_failing() {
                    return Err(known.unavailable(now));
                }
                let at = known.renewable_at(this.jwks.cool_down, now);
                (known.next_renewal(), at.saturating_duration_since(now))
            };
            let _waiting = match this.waiting.try_acquire() {
                Ok(waiting) if left <= MAX_WAIT => waiting,
                _ => return Err(Unavailable { retry_after: left.max(pace::SOON) }),
            };
            this.renewed(wanted).await;
            state.borrow().renewed_keys(Instant::now())
        })
    }

    /// Waits for that renewal, and causes it as soon as it may be.
    async fn renewed(&self, wanted: u64) {
        let mut state = self.state.clone();
        loop {
            let at = {
                let known = state.borrow_and_update();
                if known.renewals() >= wanted || known.is_failing() {
                    return;
                }
                known.renewable_at(self.jwks.cool_down, Instant::now())
            };
            if time::timeout_at(at, state.changed()).await.is_err() {
                self.wish.notify_one();
                if state.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// What it says of a token; `None` if that is not active.
    pub(super) fn introspect(
        self: &Arc<Self>,
        token: Vec<u8>,
    ) -> BoxFuture<'static, Result<Option<Introspected>, Unavailable>> {
        let nobody = Unavailable { retry_after: pace::SOON };
        let Some(introspector) = self.introspector.clone() else {
            return Box::pin(std::future::ready(Err(nobody)));
        };
        let asking = async move { introspector.ask(&token).await };
        let answer = self.around.tasks.spawn_on(asking, &self.around.runtime);
        // Whoever leaves takes the question along: nobody may leave many behind.
        let answer = AbortOnDropHandle::new(answer);
        Box::pin(async move { answer.await.unwrap_or(Err(nobody)) })
    }

    /// Changes whenever a key that was good is not any more, also because it is too old.
    pub(super) fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.clone()
    }
}

#[cfg(test)]
mod introspect_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod scripted;
