//! How long calls took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest that is told apart; whatever takes longer counts as this.
const LONGEST: Duration = Duration::from_mins(10);
/// Each latency is kept to 1 in 1,000.
const DIGITS: u8 = 3;

/// Latencies in constant memory, however many there are.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let longest = nanoseconds(LONGEST);
        Self(Histogram::new_with_max(longest, DIGITS).expect("bounds that a histogram can have"))
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(nanoseconds(latency));
    }

    /// The latency that `percent` of all did not exceed, in microseconds; 0 if there are none.
    #[expect(clippy::cast_precision_loss, reason = "no latency has 2^52 nanoseconds")]
    pub fn percentile_us(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e3
    }

    /// The mean in microseconds; 0 if there are none.
    pub fn mean_us(&self) -> f64 {
        self.0.mean() / 1e3
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_true_to_a_thousandth() {
        let mut latencies = Latencies::default();
        assert!(latencies.percentile_us(50.0).abs() < f64::EPSILON);
        (1..=1000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        latencies.record(Duration::from_hours(1));
        assert_eq!(latencies.count(), 1001);
        for (percent, us) in
            [(0.0, 1e3), (50.0, 501e3), (90.0, 901e3), (99.9, 1000e3), (100.0, 600e6)]
        {
            let found = latencies.percentile_us(percent);
            assert!((found / us - 1.0).abs() < 1e-3, "{percent}: {found} us, not {us}");
        }
    }
}
