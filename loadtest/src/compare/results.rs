//! What a comparison found out: everything that stands in `results.json`.
//!
//! Times are in microseconds, memory is in bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::report::{PERCENTILES, Percentile, Report};

use super::criteria::Verdict;
use super::machine::{Build, Machine};
use super::stats::{Estimate, median};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Results {
    /// When it began, RFC 3339 in UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) build: Build,
    /// What other people's programs said of themselves, by target.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) settings: Settings,
    /// What went wrong: without any, all figures are there and every call was answered.
    pub(crate) problems: Vec<String>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) measures: Vec<Measure>,
    pub(crate) series: Vec<Series>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    /// How long a run takes.
    pub(crate) seconds: f64,
    /// How many calls a run ends after, when it is not ended by time.
    pub(crate) calls: Option<u64>,
    pub(crate) long: bool,
}

/// Runs that were made in turns, so that they share what happened to the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comparison {
    /// The scenario.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) plots: Plots,
    pub(crate) contenders: Vec<Contender>,
}

/// Which pictures a comparison belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Plots {
    #[default]
    None,
    /// CPU per call as bars and the distribution of latencies.
    Calls,
    /// One point of throughput by size of the result, in bytes.
    Payload { bytes: u64 },
    /// One point of latency by rate, in calls a second.
    Rate { calls_per_second: f64 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contender {
    pub(crate) name: String,
    /// One a round.
    pub(crate) runs: Vec<Report>,
    /// None if no call was answered.
    pub(crate) median: Option<Figures>,
    /// None for the base itself.
    pub(crate) against_base: Option<Against>,
}

/// The median of each figure over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    pub(crate) calls_per_second: f64,
    pub(crate) cpu_us_per_call: Option<f64>,
    pub(crate) peak_rss_bytes: Option<f64>,
    pub(crate) distribution: Vec<Percentile>,
}

/// Figures against those of the base, taken within each round and then summarised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Against {
    pub(crate) base: String,
    pub(crate) cpu_ratio: Option<Estimate>,
    pub(crate) throughput_ratio: Option<Estimate>,
    /// How much the median latency is above that of the base.
    pub(crate) added_p50_us: Option<Estimate>,
}

/// A figure that is no run of calls: a size, a time, a number of streams.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) contender: String,
    pub(crate) unit: Unit,
    pub(crate) value: Estimate,
    pub(crate) samples: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Unit {
    Bytes,
    Count,
    Microseconds,
    Milliseconds,
    Ratio,
}

/// Memory over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) contender: String,
    /// Seconds since the beginning of the load, and bytes.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Results {
    pub(crate) fn comparison(&self, name: &str) -> Option<&Comparison> {
        self.comparisons.iter().find(|comparison| comparison.name == name)
    }

    pub(crate) fn measure(&self, name: &str, contender: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name && measure.contender == contender)
    }
}

impl Comparison {
    pub(crate) fn contender(&self, name: &str) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.name == name)
    }
}

impl Measure {
    /// None of no samples.
    pub(crate) fn new(
        (name, title): (&str, &str),
        contender: &str,
        unit: Unit,
        samples: Vec<f64>,
    ) -> Option<Self> {
        let value = Estimate::of(samples.iter().copied())?;
        let (name, title) = (name.to_owned(), title.to_owned());
        Some(Self { name, title, contender: contender.to_owned(), unit, value, samples })
    }
}

impl Figures {
    fn of(runs: &[Report]) -> Option<Self> {
        let answered = || runs.iter().filter(|run| run.calls > 0);
        let usage = || answered().filter_map(|run| run.processes);
        let point = |position: usize| {
            let latencies = answered().filter_map(|run| run.distribution.get(position));
            let latency_us = median(latencies.map(|point| point.latency_us))?;
            Some(Percentile { percent: PERCENTILES[position], latency_us })
        };
        Some(Self {
            calls_per_second: median(answered().map(|run| run.calls_per_second))?,
            cpu_us_per_call: median(usage().map(|usage| usage.cpu_us_per_call)),
            peak_rss_bytes: median(usage().map(|usage| float(usage.peak_rss_bytes))),
            distribution: (0..PERCENTILES.len()).filter_map(point).collect(),
        })
    }

    /// The latency that so many of the calls did not exceed; `percent` is one of [`PERCENTILES`].
    pub(crate) fn latency_us(&self, percent: f64) -> Option<f64> {
        let is_it = |point: &&Percentile| point.percent.total_cmp(&percent).is_eq();
        self.distribution.iter().find(is_it).map(|point| point.latency_us)
    }
}

impl Contender {
    /// `base` is compared with, round by round: what slows the machine down for a while slows down both.
    pub(crate) fn new(name: &str, runs: Vec<Report>, base: Option<(&str, &[Report])>) -> Self {
        let median = Figures::of(&runs);
        let against_base = base.map(|(base, base_runs)| Against::new(base, &runs, base_runs));
        Self { name: name.to_owned(), runs, median, against_base }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.runs.iter().map(|run| run.errors).sum()
    }
}

impl Against {
    fn new(base: &str, runs: &[Report], base_runs: &[Report]) -> Self {
        let each = |figure: &dyn Fn(&Report, &Report) -> Option<f64>| {
            let rounds = runs.iter().zip(base_runs);
            let complete = rounds.filter(|(run, base)| run.calls > 0 && base.calls > 0);
            Estimate::of(complete.filter_map(|(run, base)| figure(run, base)))
        };
        let cpu = |run: &Report| run.processes.map(|usage| usage.cpu_us_per_call);
        Self {
            base: base.to_owned(),
            cpu_ratio: each(&|run, base| Some(cpu(run)? / cpu(base)?)),
            throughput_ratio: each(&|run, base| Some(run.calls_per_second / base.calls_per_second)),
            added_p50_us: each(&|run, base| Some(run.p50_us - base.p50_us)),
        }
    }
}

/// Of bytes and counts, which are never so large that it matters.
#[expect(clippy::cast_precision_loss, reason = "nothing here has 2^52 bytes")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::sample::{failed, run};
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round_so_that_a_slow_spell_cancels() {
        let cpu = Some(10.0);
        let base = [run(1e3, cpu), run(1e4, Some(100.0)), run(2e3, Some(20.0))];
        let runs = vec![run(1.1e3, Some(11.0)), run(1.1e4, Some(110.0)), run(2.2e3, Some(22.0))];
        let against = Contender::new("b", runs, Some(("a", &base))).against_base.unwrap();
        assert!((against.cpu_ratio.unwrap().median - 1.1).abs() < 1e-9);
        assert!((against.throughput_ratio.unwrap().median - 1.0 / 1.1).abs() < 1e-9);
        assert!(against.added_p50_us.unwrap().median > 0.0);
    }

    #[test]
    fn a_run_without_answers_counts_its_errors_and_nothing_else() {
        let contender = Contender::new("b", vec![failed(), run(500.0, None)], None);
        assert_eq!(contender.errors(), 3);
        assert!((contender.median.unwrap().calls_per_second - 2000.0).abs() < 1e-9);
        assert_eq!(Contender::new("b", vec![failed()], None).median, None);
    }
}
