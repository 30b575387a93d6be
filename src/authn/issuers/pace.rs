//! How often an issuer is asked.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// The first pause after a failure, and the least that callers are told to wait.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(30);

/// The pause after so many failures in a row: twice as long each time. Up to an eighth is taken off,
/// so that not every gateway comes back at once.
pub(super) fn back_off(failures: u32) -> Duration {
    let doubled = SOON.saturating_mul(1 << failures.saturating_sub(1).min(10));
    early(doubled.min(LONGEST))
}

/// The time until keys are asked for anew: never longer than `refresh`.
pub(super) fn regular(refresh: Duration) -> Duration {
    early(refresh)
}

fn early(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) % 128).unwrap_or(0);
    pause.saturating_sub(pause / 1024 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_second_to_thirty() {
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (7, 30), (u32::MAX, 30)]
        {
            let most = Duration::from_secs(most);
            for _ in 0..100 {
                let pause = back_off(failures);
                assert!(pause <= most && pause > most * 7 / 8, "{failures}: {pause:?}");
            }
        }
    }

    #[test]
    fn keys_are_never_asked_for_later_than_configured() {
        let refresh = Duration::from_mins(10);
        assert!((0..100).all(|_| regular(refresh) <= refresh && regular(refresh) > refresh / 2));
        let different: std::collections::BTreeSet<_> = (0..100).map(|_| regular(refresh)).collect();
        assert!(different.len() > 1);
    }
}
