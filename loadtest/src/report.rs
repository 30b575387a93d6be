//! What a run came to.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// How many different errors are shown.
const SHOWN_ERRORS: usize = 10;

/// What one connection did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How long each answered call took.
    pub(crate) latencies: Vec<Duration>,
    /// What ended it early.
    pub(crate) error: Option<String>,
}

/// What all connections did together.
#[derive(Debug)]
pub(crate) struct Report {
    /// Sorted.
    latencies: Vec<Duration>,
    errors: Vec<String>,
    took: Duration,
}

impl Report {
    pub(crate) fn new(outcomes: Vec<Outcome>, took: Duration) -> Self {
        let (mut latencies, mut errors) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            latencies.extend(outcome.latencies);
            errors.extend(outcome.error);
        }
        latencies.sort_unstable();
        Self { latencies, errors, took }
    }

    /// A run with any error has failed, and so has one without a call.
    pub(crate) fn has_failed(&self) -> bool {
        !self.errors.is_empty() || self.latencies.is_empty()
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 calls")]
    fn calls_per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that `percent` of the calls did not exceed (nearest rank), in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        let latency = self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default();
        latency.as_secs_f64() * 1e3
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "calls": self.latencies.len(),
            "errors": self.errors.len(),
            "seconds": self.took.as_secs_f64(),
            "callsPerSecond": self.calls_per_second(),
            "p50Ms": self.percentile(50),
            "p90Ms": self.percentile(90),
            "p99Ms": self.percentile(99),
            "maxMs": self.percentile(100),
            "errorMessages": self.distinct_errors(),
        })
    }

    fn distinct_errors(&self) -> Vec<&str> {
        let mut distinct: Vec<&str> = Vec::new();
        for error in &self.errors {
            if distinct.len() < SHOWN_ERRORS && !distinct.contains(&error.as_str()) {
                distinct.push(error);
            }
        }
        distinct
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls    {:>10}", self.latencies.len())?;
        writeln!(f, "errors   {:>10}", self.errors.len())?;
        writeln!(f, "seconds  {:>10.2}", self.took.as_secs_f64())?;
        writeln!(f, "calls/s  {:>10.0}", self.calls_per_second())?;
        for (name, percent) in [("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)] {
            writeln!(f, "{name:<8} {:>10.3} ms", self.percentile(percent))?;
        }
        for error in self.distinct_errors() {
            writeln!(f, "error: {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(milliseconds: impl Iterator<Item = u64>) -> Outcome {
        Outcome { latencies: milliseconds.map(Duration::from_millis).collect(), error: None }
    }

    #[test]
    fn calls_of_all_connections_are_counted_and_ranked_together() {
        let outcomes = vec![outcome(1..=50), outcome((51..=100).rev())];
        let report = Report::new(outcomes, Duration::from_secs(2));
        assert!(!report.has_failed());
        assert_eq!(
            report.to_string(),
            "calls           100\n\
             errors            0\n\
             seconds        2.00\n\
             calls/s          50\n\
             p50          50.000 ms\n\
             p90          90.000 ms\n\
             p99          99.000 ms\n\
             max         100.000 ms\n"
        );
    }

    #[test]
    fn an_error_or_no_call_at_all_fails_the_run() {
        assert!(Report::new(Vec::new(), Duration::from_secs(1)).has_failed());
        let failed =
            || Outcome { latencies: Vec::new(), error: Some("HTTP status 500".to_owned()) };
        let report = Report::new(vec![outcome(1..9), failed(), failed()], Duration::from_secs(1));
        assert!(report.has_failed());
        assert_eq!(report.to_json()["errors"], 2);
        assert_eq!(report.to_json()["errorMessages"], json!(["HTTP status 500"]));
    }
}
