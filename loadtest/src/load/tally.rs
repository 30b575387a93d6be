//! What has happened so far.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::Answered;
use crate::measure::{Latencies, Sample};
use crate::report::{PERCENTILES, Percentile, Report, Usage};

/// How many different errors are told apart.
const DISTINCT_ERRORS: usize = 10;
/// What stands for all the others.
const OTHER_ERRORS: &str = "other errors";

/// What all connections did.
#[derive(Default)]
pub(super) struct Tally {
    latencies: Latencies,
    received_bytes: u64,
    events: u64,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn record(&mut self, answer: anyhow::Result<Answered>, latency: Duration) {
        match answer {
            Ok(answered) => {
                self.latencies.record(latency);
                self.received_bytes += answered.bytes as u64;
                self.events += answered.events as u64;
            }
            Err(error) => self.add_error(format!("{error:#}")),
        }
    }

    fn add_error(&mut self, message: String) {
        let is_known = self.errors.len() < DISTINCT_ERRORS || self.errors.contains_key(&message);
        let message = if is_known { message } else { OTHER_ERRORS.to_owned() };
        *self.errors.entry(message).or_default() += 1;
    }

    /// A fresh one that remembers the errors alone: a warm-up does not count, but it must not fail.
    pub(super) fn after_warmup(self) -> Self {
        Self { errors: self.errors, ..Self::default() }
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 calls, bytes or nanoseconds")]
    pub(super) fn report(
        self,
        took: Duration,
        unsent: u64,
        usage: Option<(Sample, Sample)>,
    ) -> Report {
        let calls = self.latencies.count();
        let per_second = |count: u64| count as f64 / took.as_secs_f64();
        let us = |percent| self.latencies.percentile_us(percent);
        let distribution =
            PERCENTILES.map(|percent| Percentile { percent, latency_us: us(percent) }).to_vec();
        let usage = usage.map(|(before, after)| Usage {
            cpu_us_per_call: after.cpu_ns_since(&before) as f64 / 1e3 / calls.max(1) as f64,
            peak_rss_bytes: after.peak_rss_bytes,
            rss_before_bytes: before.rss_bytes,
            rss_after_bytes: after.rss_bytes,
        });
        Report {
            calls,
            errors: self.errors.values().sum(),
            unsent,
            events: self.events,
            seconds: took.as_secs_f64(),
            calls_per_second: per_second(calls),
            received_bytes_per_second: per_second(self.received_bytes),
            mean_us: self.latencies.mean_us(),
            p50_us: us(50.0),
            p90_us: us(90.0),
            p99_us: us(99.0),
            p99_9_us: us(99.9),
            max_us: us(100.0),
            distribution,
            error_messages: self.errors,
            processes: usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const ANSWERED: Answered = Answered { bytes: 500, events: 2 };

    fn report(tally: Tally) -> Report {
        tally.report(Duration::from_secs(2), 3, None)
    }

    #[test]
    fn answered_calls_are_counted_and_ranked() {
        let mut tally = Tally::default();
        (1..=100).rev().for_each(|ms| tally.record(Ok(ANSWERED), Duration::from_millis(ms)));
        let report = report(tally);
        assert!(!report.has_failed());
        assert_eq!((report.calls, report.errors, report.unsent, report.events), (100, 0, 3, 200));
        assert_eq!(
            report.to_string(),
            "calls               100\n\
             errors                0\n\
             unsent                3\n\
             events              200\n\
             seconds            2.00\n\
             calls/s              50\n\
             received          0.025 MB/s\n\
             p50              50.004 ms\n\
             p90              90.046 ms\n\
             p99              99.025 ms\n\
             p99.9           100.008 ms\n\
             max             100.008 ms\n"
        );
        let json = serde_json::to_string(&report).expect("JSON");
        assert_eq!(serde_json::from_str::<Report>(&json).expect("a report"), report);
    }

    #[test]
    fn an_error_or_no_call_at_all_fails_the_run() {
        assert!(report(Tally::default()).has_failed());
        let mut tally = Tally::default();
        tally.record(Ok(ANSWERED), Duration::from_millis(1));
        tally.record(Err(anyhow!("HTTP status 500")), Duration::from_millis(1));
        tally.record(Err(anyhow!("HTTP status 500")), Duration::from_millis(1));
        let report = report(tally);
        assert!(report.has_failed());
        assert_eq!((report.calls, report.errors), (1, 2));
        assert_eq!(report.error_messages["HTTP status 500"], 2);
    }

    #[test]
    fn a_warm_up_leaves_its_errors_behind() {
        let mut tally = Tally::default();
        tally.record(Ok(ANSWERED), Duration::from_secs(1));
        tally.record(Err(anyhow!("no")), Duration::from_secs(1));
        let report = report(tally.after_warmup());
        assert_eq!((report.calls, report.errors, report.events), (0, 1, 0));
    }

    #[test]
    fn errors_without_end_are_told_apart_only_so_far() {
        let mut tally = Tally::default();
        (0..1000).for_each(|number| tally.record(Err(anyhow!("error {number}")), Duration::ZERO));
        let report = report(tally);
        assert_eq!(report.errors, 1000);
        assert_eq!(report.error_messages.len(), DISTINCT_ERRORS + 1);
    }
}
