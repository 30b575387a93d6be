//! `perSecond` and `burst`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::nanos::Nanos;
use serde_json::{Value as Json, json};

use crate::config::{Fields, Value};

/// From once in a quarter of an hour; nothing here is so fast that more could be kept to.
const RANGE: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

/// So many per second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: NonZeroU32,
}

impl Rate {
    pub(in crate::layers) fn new(per_second: f64, burst: NonZeroU32) -> Self {
        Self { per_second, burst }
    }

    /// Reads `perSecond` and `burst`, which is `perSecond` rounded up unless it is given; there is
    /// no rate without the former.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let per_second = fields.get_with("perSecond", per_second);
        let burst = fields.get_with("burst", burst);
        if per_second.is_none() && burst.is_some() && !fields.has("perSecond") {
            fields.problem("burst", "means nothing without perSecond; set that too");
        }
        let per_second = per_second?;
        Some(Self { per_second, burst: burst.unwrap_or_else(|| rounded_up(per_second)) })
    }

    /// Sets what `perSecond` and `burst` say; what is not said stays.
    pub(in crate::layers) fn set(&mut self, fields: &mut Fields<'_, '_>) {
        if let Some(given) = fields.get_with("perSecond", per_second) {
            self.per_second = given;
        }
        if let Some(given) = fields.get_with("burst", burst) {
            self.burst = given;
        }
    }

    /// At most so many at once.
    pub fn burst(self) -> u32 {
        self.burst.get()
    }

    /// What the configuration says of it; a whole number without a fraction.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1e6 at most")]
    pub fn shown(self) -> (Json, Json) {
        let is_whole = self.per_second.fract() == 0.0;
        let per_second =
            if is_whole { json!(self.per_second as u64) } else { json!(self.per_second) };
        (per_second, json!(self.burst))
    }

    fn period(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }

    pub(super) fn interval(self) -> Nanos {
        self.period().into()
    }

    pub(super) fn quota(self) -> Quota {
        let quota = Quota::with_period(self.period()).expect("the highest rate has a period");
        quota.allow_burst(self.burst)
    }
}

/// `5 per second (burst 10)`
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per second (burst {})", self.per_second, self.burst)
    }
}

fn per_second(text: &str) -> Result<f64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = text.parse().ok().filter(|number| plain && RANGE.contains(number));
    number.ok_or_else(|| format!("is not a number from {} to {}", RANGE.start(), RANGE.end()))
}

fn burst(text: &str) -> Result<NonZeroU32, String> {
    let burst = u32::read(text).ok().filter(|burst| *burst <= 1_000_000);
    burst
        .and_then(NonZeroU32::new)
        .ok_or_else(|| "is not a whole number from 1 to 1000000".to_owned())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range of the number is checked when it is read"
)]
fn rounded_up(per_second: f64) -> NonZeroU32 {
    NonZeroU32::new(per_second.ceil() as u32).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_plain_number_in_its_range() {
        for text in ["1", "0.5", "10.25", "1000000", "0.001", ".5"] {
            assert!(per_second(text).is_ok(), "{text}");
        }
        for text in ["", "0", "-1", "1e3", "inf", "NaN", "+1", "1000001", "0.0001", "1/s", "."] {
            assert!(per_second(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "1.5", "1000001", ""] {
            assert!(burst(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_burst_is_the_rate_rounded_up_and_at_least_one() {
        for (rate, burst) in [(0.001, 1), (0.5, 1), (1.0, 1), (2.5, 3), (1_000_000.0, 1_000_000)] {
            assert_eq!(rounded_up(rate).get(), burst, "{rate}");
        }
    }

    #[test]
    fn every_rate_that_can_be_written_can_be_kept_to() {
        for (rate, burst) in [(*RANGE.start(), 1_000_000), (*RANGE.end(), 1), (1.0, 1)] {
            let rate = Rate::new(rate, NonZeroU32::new(burst).unwrap());
            assert_eq!(rate.quota().burst_size().get(), burst);
            assert!(u64::MAX / rate.interval().as_u64() > u64::from(burst) * 2, "{rate}");
        }
    }
}
