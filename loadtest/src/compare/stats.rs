//! Medians, and how sure they are.

use serde::{Deserialize, Serialize};

/// The confidence that an interval has at least.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// A median and the interval that holds the true one with a confidence of at least 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    /// Fewer than six values have none.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Estimate {
    /// None of no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let median = median_of_sorted(&sorted)?;
        let last = sorted.len() - 1;
        let interval = outer_rank(sorted.len()).map(|rank| (sorted[rank], sorted[last - rank]));
        Some(Self { median, interval })
    }

    /// The lower end of the interval; without one the median itself.
    pub(crate) fn low(&self) -> f64 {
        self.interval.map_or(self.median, |(low, _)| low)
    }

    /// The upper end of the interval; without one the median itself.
    pub(crate) fn high(&self) -> f64 {
        self.interval.map_or(self.median, |(_, high)| high)
    }
}

/// The middle value, or the mean of the two in the middle; None of no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// How many of the smallest, and of the largest, of `count` values lie outside of the median's interval.
///
/// The interval between two order statistics: a value is below the true median with a probability of one half, so
/// how many are is binomial, whatever the distribution of the values. No resampling and no seed, and it is exact for few
/// values, where a bootstrap of a median is too narrow (Conover, *Practical Nonparametric Statistics*, §3.2; Le Boudec,
/// *Performance Evaluation of Computer and Communication Systems*, theorem 2.1).
fn outer_rank(count: usize) -> Option<usize> {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let (mut below, mut rank) = (0.0, 0_usize);
    loop {
        below += probability;
        if below > tail {
            return rank.checked_sub(1);
        }
        #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
        let next = (count - rank) as f64 / (rank + 1) as f64;
        probability *= next;
        rank += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_value_or_between_the_two_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn intervals_have_the_ranks_of_the_published_table() {
        // Le Boudec, appendix A, table of the intervals for the median at 95 %; ranks from 0 here.
        for (count, rank) in [
            (1, None),
            (5, None),
            (6, Some(0)),
            (7, Some(0)),
            (8, Some(0)),
            (9, Some(1)),
            (11, Some(1)),
            (12, Some(2)),
            (20, Some(5)),
            (30, Some(9)),
        ] {
            assert_eq!(outer_rank(count), rank, "{count} values");
        }
    }

    #[test]
    fn the_interval_leaves_outliers_on_both_sides_out() {
        let estimate = Estimate::of([0.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 99.0]);
        assert_eq!(estimate, Some(Estimate { median: 1.04, interval: Some((1.01, 1.07)) }));
    }

    #[test]
    fn the_interval_covers_the_true_median_as_often_as_it_says() {
        // xorshift64*: skewed values whose true median is known, the same in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let bits = u32::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap();
            (f64::from(bits) + 0.5) / f64::from(u32::MAX)
        };
        let exponential_median = std::f64::consts::LN_2;
        let covered = (0..4000)
            .filter_map(|_| Estimate::of((0..9).map(|_| -random().ln())).unwrap().interval)
            .filter(|(low, high)| (*low..=*high).contains(&exponential_median))
            .count();
        // Nine values cover with 0.961; three standard errors of 4,000 trials are 0.009.
        assert!((3808..=3880).contains(&covered), "{covered} of 4000");
    }
}
