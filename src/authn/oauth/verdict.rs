//! What was found out about a token, and for how long that is so.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::authn::Refusal;
use crate::call::Principal;

/// How long a token that does not hold is refused without another look.
const NEGATIVE: Duration = Duration::from_secs(10);

/// How long what an issuer says about a token is believed: it may be revoked there at any time.
pub(super) const ASKED: Duration = Duration::from_mins(1);

/// Who a token is for, or why it gets nobody in.
#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) found: Result<Arc<Principal>, Refusal>,
    /// When it holds. It has a beginning too, or a clock that is set back would prolong it.
    held: Range<SystemTime>,
}

impl Verdict {
    /// The token holds: until it expires, and no longer than `most`.
    pub(super) fn positive(principal: Principal, now: SystemTime, most: Option<Duration>) -> Self {
        let limit = most.or(principal.expires.is_none().then_some(ASKED)).map(|most| now + most);
        let until = principal.expires.into_iter().chain(limit).min().unwrap_or(now);
        Self { found: Ok(Arc::new(principal)), held: now..until }
    }

    /// The token will not hold a moment later either.
    pub(super) fn negative(refusal: Refusal, now: SystemTime) -> Self {
        Self { found: Err(refusal), held: now..now + NEGATIVE }
    }

    /// It is so for those who ask at this moment.
    pub(super) fn passing(refusal: Refusal, now: SystemTime) -> Self {
        Self { found: Err(refusal), held: now..now }
    }

    /// Whether it still is what it was.
    pub(super) fn holds(&self, now: SystemTime) -> bool {
        self.held.contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::Fault;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_verdict_holds_for_a_stated_time_and_never_past_the_tokens_expiry() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let until =
            |seconds| Principal { expires: Some(now + seconds * SECOND), ..Principal::anonymous() };
        let refusal = || Refusal::Invalid(Fault::new("signature", "it is not right"));
        let cases = [
            ("a JWT, to its expiry", Verdict::positive(until(3000), now, None), 3000),
            ("an asked one, a minute", Verdict::positive(until(3000), now, Some(ASKED)), 60),
            ("an asked one, to its expiry", Verdict::positive(until(20), now, Some(ASKED)), 20),
            ("without expiry", Verdict::positive(Principal::anonymous(), now, Some(ASKED)), 60),
            ("a JWT without", Verdict::positive(Principal::anonymous(), now, None), 60),
            ("a refusal", Verdict::negative(refusal(), now), 10),
            ("a passing refusal", Verdict::passing(refusal(), now), 0),
            ("within the leeway", Verdict::positive(until(0), now, None), 0),
        ];
        for (name, verdict, seconds) in cases {
            let end = now + seconds * SECOND;
            assert_eq!(verdict.holds(now), seconds > 0, "{name}");
            assert!(!verdict.holds(end), "{name}");
            assert!(seconds == 0 || verdict.holds(end - SECOND / 10), "{name}");
            assert!(!verdict.holds(now - SECOND), "{name}: the clock was set back");
        }
    }
}
