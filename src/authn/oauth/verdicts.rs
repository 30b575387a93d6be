//! The verdicts on tokens that were seen lately, by whatever connection they came.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::FutureExt;
use moka::future::Cache;

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
pub(super) struct Verdicts(Cache<Key, Verdict>);

/// Without those who were here.
impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verdicts")
    }
}

impl Verdicts {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build())
    }

    /// The verdict on a token that was looked at before, if it holds at `now`.
    pub(super) fn known(&self, key: &Key, now: SystemTime) -> Option<Verdict> {
        // It waits for nothing but the cache's own upkeep, and then it is not known here and now.
        let verdict = self.0.get(key).now_or_never().flatten();
        verdict.filter(|verdict| verdict.holds(now))
    }

    /// What `look` finds out, unless a verdict that holds at `now` is known; many who come with
    /// one token at once share one look.
    ///
    /// # Cancel safety
    /// If whoever looks is dropped, the next one who waits looks instead.
    pub(super) async fn known_or(
        &self,
        key: Key,
        now: SystemTime,
        look: impl Future<Output = Verdict>,
    ) -> Result<Arc<Principal>, Refusal> {
        let is_over = |verdict: &Verdict| !verdict.holds(now);
        let entry = self.0.entry(key).or_insert_with_if(look, is_over).await;
        entry.into_value().found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let (verdicts, now) = (Verdicts::new(), SystemTime::now());
        for count in 0..MOST + 500 {
            let key = Key::of(&count.to_be_bytes(), "", 0);
            let look = async { Verdict::positive(Principal::anonymous(), now, None) };
            verdicts.known_or(key, now, look).await.unwrap();
        }
        verdicts.0.run_pending_tasks().await;
        assert!((1..=MOST).contains(&verdicts.0.entry_count()), "{}", verdicts.0.entry_count());
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
