//! How often something may happen, counted for each of many keys in bounded memory.

mod config;
mod store;

pub use config::Rate;

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use tokio::time::Instant;

use store::{Shared, Store};

/// How often keys that are as good as new are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Why something may not happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is room again after this time.
    For(Duration),
    /// It is more at a time than the burst.
    Forever,
}

/// A rate, kept to for each key (GCRA, as `governor` has it).
pub(super) struct Limiter<K: Hash + Eq + Clone> {
    rate: Rate,
    gcra: RateLimiter<K, Shared<K>, SinceStart, NoOpMiddleware<Duration>>,
    store: Arc<Store<K>>,
    /// In milliseconds since the start.
    last_sweep: AtomicU64,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    pub(super) fn new(rate: Rate) -> Self {
        let store = Arc::new(Store::default());
        let clock = SinceStart(Instant::now());
        let gcra = RateLimiter::new(rate.quota(), Shared(Arc::clone(&store)), clock);
        Self { rate, gcra, store, last_sweep: AtomicU64::new(0) }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes `count` for `key`, all of them or none.
    pub(super) fn take(&self, key: &K, count: NonZeroU32) -> Result<(), Refused> {
        self.sweep();
        match self.gcra.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Refused::For(until.wait_time_from(self.gcra.clock().now()))),
            Err(_) => Err(Refused::Forever),
        }
    }

    /// Gives one back that has been taken: what it was for does not happen.
    pub(super) fn give_back(&self, key: &K) {
        self.store.reduce(key, self.rate.interval());
    }

    /// Whoever comes first after the interval does it, for there is no need while nobody comes. While
    /// those who come are always the same there is none either, and nobody looks at the clock.
    fn sweep(&self) {
        if !self.store.has_grown.load(Ordering::Relaxed) {
            return;
        }
        let now = self.gcra.clock().now();
        let last = self.last_sweep.load(Ordering::Relaxed);
        if now.saturating_sub(Duration::from_millis(last)) < SWEEP_INTERVAL {
            return;
        }
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mine =
            self.last_sweep.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            self.store.has_grown.store(false, Ordering::Relaxed);
            self.gcra.retain_recent();
        }
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limiter({})", self.rate)
    }
}

/// Tokio's clock, which tests can move.
#[derive(Clone, Copy, Debug)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn limiter(per_second: f64, burst: u32) -> Limiter<u32> {
        Limiter::new(Rate::new(per_second, NonZeroU32::new(burst).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_has_its_burst_and_then_its_rate() {
        let limiter = limiter(2.0, 3);
        for _ in 0..3 {
            assert_eq!(limiter.take(&1, ONE), Ok(()));
        }
        assert_eq!(limiter.take(&1, ONE), Err(Refused::For(Duration::from_millis(500))));
        assert_eq!(limiter.take(&2, ONE), Ok(()), "another key has a burst of its own");
        advance(Duration::from_millis(500)).await;
        assert_eq!(limiter.take(&1, ONE), Ok(()));
        assert!(limiter.take(&1, ONE).is_err());
        advance(Duration::from_hours(1)).await;
        for _ in 0..3 {
            assert_eq!(limiter.take(&1, ONE), Ok(()));
        }
        assert!(limiter.take(&1, ONE).is_err(), "what was not used does not add up");
    }

    #[tokio::test(start_paused = true)]
    async fn several_are_taken_together_or_not_at_all() {
        let limiter = limiter(1.0, 4);
        let several = |count| NonZeroU32::new(count).unwrap();
        assert_eq!(limiter.take(&1, several(5)), Err(Refused::Forever));
        assert_eq!(limiter.take(&1, several(3)), Ok(()));
        assert_eq!(limiter.take(&1, several(2)), Err(Refused::For(Duration::from_secs(1))));
        assert_eq!(limiter.take(&1, ONE), Ok(()), "the refused ones took nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_can_be_taken_again() {
        let limiter = limiter(0.01, 2);
        for _ in 0..10 {
            assert_eq!(limiter.take(&1, ONE), Ok(()));
            limiter.give_back(&1);
        }
        assert_eq!(limiter.take(&1, ONE), Ok(()));
        assert_eq!(limiter.take(&1, ONE), Ok(()));
        assert_eq!(limiter.take(&1, ONE), Err(Refused::For(Duration::from_secs(100))));
        limiter.give_back(&7); // whom nobody knows
        assert_eq!(limiter.take(&7, NonZeroU32::new(2).unwrap()), Ok(()));
        assert!(limiter.take(&7, ONE).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_are_as_good_as_new_are_forgotten_and_others_are_not() {
        let limiter = limiter(1.0, 60);
        for key in 0..1000 {
            limiter.take(&key, ONE).unwrap();
        }
        limiter.take(&1000, NonZeroU32::new(60).unwrap()).unwrap();
        assert_eq!(limiter.store.len(), 1001);
        advance(SWEEP_INTERVAL).await;
        assert!(matches!(limiter.take(&1000, NonZeroU32::new(11).unwrap()), Err(Refused::For(_))));
        assert_eq!(limiter.store.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attack_with_many_keys_takes_no_more_memory_and_gets_no_more_through() {
        let limiter = limiter(0.001, 1);
        limiter.take(&u32::MAX, ONE).unwrap();
        let passed = (0..200_000).filter(|key| limiter.take(key, ONE).is_ok()).count();
        assert!(passed <= store::MAX_KEYS + store::MAX_CROWDS, "{passed}");
        assert!(limiter.store.len() <= store::MAX_KEYS, "{}", limiter.store.len());
        assert!(limiter.take(&u32::MAX, ONE).is_err(), "who was there before is not forgotten");
    }
}
