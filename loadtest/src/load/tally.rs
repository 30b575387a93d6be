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
    pub(super) fn answered(&mut self, answered: Answered, latency: Duration) {
        self.latencies.record(latency);
        self.received_bytes += answered.bytes as u64;
        self.events += answered.events as u64;
    }

    pub(super) fn failed(&mut self, error: &anyhow::Error) {
        self.add_error(format!("{error:#}"), 1);
    }

    fn add_error(&mut self, message: String, times: u64) {
        let is_known = self.errors.len() < DISTINCT_ERRORS || self.errors.contains_key(&message);
        let message = if is_known { message } else { OTHER_ERRORS.to_owned() };
        *self.errors.entry(message).or_default() += times;
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
