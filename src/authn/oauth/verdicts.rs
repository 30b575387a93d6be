//! The verdicts on tokens that were seen lately, by whatever connection they came.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::FutureExt;
use moka::future::Cache;

use super::looks::Looks;
use super::verdict::Verdict;
use crate::authn::{Digest, Refusal};
use crate::call::Principal;

/// How many tokens are remembered; whoever uses more pays for another look at those used least.
pub(super) const MOST: u64 = 10_000;

/// What nobody asks for is forgotten, for it says who was here.
const IDLE: Duration = Duration::from_mins(10);

/// What a verdict is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    digest: Digest,
    /// A verdict from before a revocation is not found after it.
    epoch: u64,
}

impl Key {
    /// Of a token, sent to the endpoint with this resource identifier.
    pub(super) fn of(token: &[u8], resource: &str, epoch: u64) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(token);
        // No token has a zero in it.
        context.update(b"\0");
        context.update(resource.as_bytes());
        let digest = context.finish();
        Self { digest: Digest(digest.as_ref().try_into().expect("SHA-256 has 32 bytes")), epoch }
    }
}

/// Verdicts, shared by all connections. Clones are the same.
#[derive(Clone)]
pub(super) struct Verdicts {
    known: Cache<Key, Verdict>,
    looks: Looks,
}

/// Without those who were here.
impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verdicts")
    }
}

impl Verdicts {
    pub(super) fn new() -> Self {
        let known = Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build();
        Self { known, looks: Looks::default() }
    }

    /// The verdict on a token that was looked at before, if it holds at `now`.
    pub(super) fn known(&self, key: &Key, now: SystemTime) -> Option<Verdict> {
        // It waits for nothing but the cache's own upkeep, and then it is not known here and now.
        let verdict = self.known.get(key).now_or_never().flatten();
        verdict.filter(|verdict| verdict.holds(now))
    }

    /// What `look` finds out, unless a verdict that holds at `now` is known; many who come with
    /// one token at once share one look.
    ///
    /// # Cancel safety
    /// If whoever looks is dropped, the others who wait go on with the look.
    pub(super) async fn known_or(
        &self,
        key: Key,
        now: SystemTime,
        look: impl Future<Output = Verdict> + Send + 'static,
    ) -> Result<Arc<Principal>, Refusal> {
        // Somebody else's look may have ended since nothing was known.
        if let Some(verdict) = self.known(&key, now) {
            return verdict.found;
        }
        let known = self.known.clone();
        let look = async move {
            let verdict = look.await;
            known.insert(key, verdict.clone()).await;
            verdict
        };
        self.looks.join(key, look).await.found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let (verdicts, now) = (Verdicts::new(), SystemTime::now());
        for count in 0..MOST + 500 {
            let key = Key::of(&count.to_be_bytes(), "", 0);
            let look = async move { Verdict::positive(Principal::anonymous(), now, None) };
            verdicts.known_or(key, now, look).await.unwrap();
        }
        verdicts.known.run_pending_tasks().await;
        let count = verdicts.known.entry_count();
        assert!((1..=MOST).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn whoever_waits_outlasts_any_number_that_leave() {
        let (verdicts, now) = (Verdicts::new(), SystemTime::now());
        let key = Key::of(b"token", "", 0);
        let looking = Arc::new(Mutex::new(0));
        let mut waiting: BTreeMap<usize, _> = (0..300)
            .map(|number| {
                let (verdicts, looking) = (verdicts.clone(), Arc::clone(&looking));
                let look = async move {
                    *looking.lock() = number;
                    std::future::pending().await
                };
                (number, Box::pin(async move { verdicts.known_or(key, now, look).await }))
            })
            .collect();
        while waiting.len() > 1 {
            for one in waiting.values_mut() {
                assert!(futures_util::poll!(one).is_pending());
            }
            let leaves = *looking.lock();
            if waiting.remove(&leaves).is_none() {
                waiting.pop_first();
            }
        }
        drop(waiting);
        assert!(verdicts.looks.is_empty(), "nobody looks");
        let look = async move { Verdict::positive(Principal::anonymous(), now, None) };
        verdicts.known_or(key, now, look).await.expect("nobody is waited for in vain");
    }

    #[test]
    fn a_key_tells_tokens_resources_and_epochs_apart() {
        let key = Key::of(b"token", "https://a/mcp", 1);
        assert_eq!(key, Key::of(b"token", "https://a/mcp", 1));
        for other in [
            Key::of(b"tokem", "https://a/mcp", 1),
            Key::of(b"token", "https://b/mcp", 1),
            Key::of(b"token", "https://a/mcp", 2),
            Key::of(b"tokenhttps", "://a/mcp", 1),
        ] {
            assert_ne!(key, other);
        }
    }
}
