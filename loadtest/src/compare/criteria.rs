//! What has to be true of the gateway, and whether it is.

use serde::{Deserialize, Serialize};

use super::quantity::{estimate_text, quantity};
use super::results::{Results, Unit};
use super::stats::Estimate;

const EVERY_LAYER: &str = "every-layer";
const KIB: f64 = 1024.0;
const MB: f64 = 1e6;

struct Criterion {
    what: &'static str,
    figure: Figure,
    bound: Bound,
}

/// Where the measured value is found: by scenario and contender.
enum Figure {
    CpuRatio(&'static str, &'static str),
    ThroughputRatio(&'static str, &'static str),
    AddedP50(&'static str, &'static str),
    /// Of the gateway with every layer.
    Measure(&'static str, Unit),
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// The interval reaches below: what is no different from flat must not fail by noise.
    ReachesBelow(f64),
    ReachesAbove(f64),
}

use Bound::{AtLeast, AtMost, ReachesAbove, ReachesBelow};
use Figure::{AddedP50, CpuRatio, Measure, ThroughputRatio};

const CRITERIA: &[Criterion] = &[
    Criterion {
        what: "CPU per `tools/call`, 32 connections, JWT, against plain",
        figure: CpuRatio("call", EVERY_LAYER),
        bound: AtMost(1.10),
    },
    Criterion {
        what: "CPU of the same call by name through `call_tool`",
        figure: CpuRatio("call-tool", EVERY_LAYER),
        bound: AtMost(1.25),
    },
    Criterion {
        what: "throughput of `tools/call` against plain",
        figure: ThroughputRatio("call", EVERY_LAYER),
        bound: AtLeast(0.95),
    },
    Criterion {
        what: "added p50 latency at 1 connection, over plain",
        figure: AddedP50("one", EVERY_LAYER),
        bound: AtMost(20.0),
    },
    Criterion {
        what: "1 MB result: throughput against plain",
        figure: ThroughputRatio("1mb", EVERY_LAYER),
        bound: AtLeast(0.90),
    },
    Criterion {
        what: "1 MB result: peak memory of the last round against the first",
        figure: Measure("1mb-growth", Unit::Ratio),
        bound: AtMost(1.10),
    },
    Criterion {
        what: "SSE, 1,000 events: throughput against plain",
        figure: ThroughputRatio("sse", EVERY_LAYER),
        bound: AtLeast(0.90),
    },
    Criterion {
        what: "SSE, 1,000 events: peak memory of the last round against the first",
        figure: Measure("sse-growth", Unit::Ratio),
        bound: AtMost(1.10),
    },
    Criterion {
        what: "CPU per call with 100 sessions against 1",
        figure: CpuRatio("sessions", "100 sessions"),
        bound: ReachesBelow(1.05),
    },
    Criterion {
        what: "CPU per call with 10,000 sessions against 1",
        figure: CpuRatio("sessions", "10,000 sessions"),
        bound: ReachesBelow(1.05),
    },
    Criterion {
        what: "throughput with 100 sessions against 1",
        figure: ThroughputRatio("sessions", "100 sessions"),
        bound: ReachesAbove(1.0 / 1.05),
    },
    Criterion {
        what: "throughput with 10,000 sessions against 1",
        figure: ThroughputRatio("sessions", "10,000 sessions"),
        bound: ReachesAbove(1.0 / 1.05),
    },
    Criterion {
        what: "CPU of `tools/list`, 10 × 50 tools, against the same bytes from a static handler",
        figure: CpuRatio("list-10x50", EVERY_LAYER),
        bound: AtMost(1.30),
    },
    Criterion {
        what: "CPU of `tools/list`, 50 × 100 tools, against the same bytes from a static handler",
        figure: CpuRatio("list-50x100", EVERY_LAYER),
        bound: AtMost(1.30),
    },
    Criterion {
        // Nothing is stored, but the allocator keeps what opening a session took for a moment: 10,000 sessions move the
        // resident set by whole pages.
        what: "memory per idle session without a stream (0, as far as a resident set can show it)",
        figure: Measure("bytes-per-session", Unit::Bytes),
        bound: AtMost(64.0),
    },
    Criterion {
        what: "memory per open GET stream",
        figure: Measure("bytes-per-stream", Unit::Bytes),
        bound: AtMost(12.0 * KIB),
    },
    Criterion {
        what: "open GET streams held",
        figure: Measure("streams-held", Unit::Count),
        bound: AtLeast(15_000.0),
    },
    Criterion {
        what: "memory, idle with 10 backends",
        figure: Measure("idle-rss", Unit::Bytes),
        bound: AtMost(30.0 * MB),
    },
    Criterion {
        what: "memory after 10 minutes of load against the first minute's",
        figure: Measure("long-growth", Unit::Ratio),
        bound: AtMost(1.02),
    },
    Criterion {
        what: "start to listening, 10 backends",
        figure: Measure("start", Unit::Milliseconds),
        bound: AtMost(30.0),
    },
    Criterion {
        what: "size of the release binary",
        figure: Measure("binary-size", Unit::Bytes),
        bound: AtMost(25.0 * MB),
    },
];

/// What became of one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) bound: String,
    pub(crate) measured: Option<String>,
    /// None when it was not measured.
    pub(crate) met: Option<bool>,
}

/// All criteria; those of scenarios that did not run are not measured.
pub(crate) fn judge(results: &Results) -> Vec<Verdict> {
    CRITERIA.iter().map(|criterion| criterion.judge(results)).collect()
}

impl Criterion {
    fn judge(&self, results: &Results) -> Verdict {
        let unit = self.figure.unit();
        let found = self.figure.find(results);
        Verdict {
            what: self.what.to_owned(),
            bound: self.bound.describe(unit),
            measured: found.map(|estimate| estimate_text(estimate, unit)),
            met: found.map(|estimate| self.bound.is_met(estimate)),
        }
    }
}

impl Figure {
    fn unit(&self) -> Unit {
        match self {
            CpuRatio(..) | ThroughputRatio(..) => Unit::Ratio,
            AddedP50(..) => Unit::Microseconds,
            Measure(_, unit) => *unit,
        }
    }

    fn find(&self, results: &Results) -> Option<Estimate> {
        let against = |scenario: &str, contender: &str| {
            results.comparison(scenario)?.contender(contender)?.against_base.as_ref()
        };
        match self {
            CpuRatio(scenario, contender) => against(scenario, contender)?.cpu_ratio,
            ThroughputRatio(scenario, contender) => against(scenario, contender)?.throughput_ratio,
            AddedP50(scenario, contender) => against(scenario, contender)?.added_p50_us,
            Measure(name, _) => results.measure(name, EVERY_LAYER).map(|measure| measure.value),
        }
    }
}

impl Bound {
    fn is_met(&self, estimate: Estimate) -> bool {
        match *self {
            AtMost(bound) => estimate.median <= bound,
            AtLeast(bound) => estimate.median >= bound,
            ReachesBelow(bound) => estimate.low() < bound,
            ReachesAbove(bound) => estimate.high() > bound,
        }
    }

    fn describe(&self, unit: Unit) -> String {
        match *self {
            AtMost(bound) => format!("at most {}", quantity(bound, unit)),
            AtLeast(bound) => format!("at least {}", quantity(bound, unit)),
            ReachesBelow(bound) => format!("interval reaches below {}", quantity(bound, unit)),
            ReachesAbove(bound) => format!("interval reaches above {}", quantity(bound, unit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn verdict<'a>(verdicts: &'a [Verdict], what: &str) -> &'a Verdict {
        verdicts.iter().find(|verdict| verdict.what.starts_with(what)).unwrap()
    }

    #[test]
    fn what_was_measured_is_met_or_missed_and_the_rest_is_neither() {
        let verdicts = judge(&sample::results());
        let cpu = verdict(&verdicts, "CPU per `tools/call`");
        assert_eq!((cpu.bound.as_str(), cpu.met), ("at most 1.10 ×", Some(true)), "{cpu:?}");
        let start = verdict(&verdicts, "start to listening");
        assert_eq!((start.measured.as_deref(), start.met), (Some("41.0 ms"), Some(false)));
        let sessions = verdict(&verdicts, "CPU per call with 100 sessions");
        assert_eq!((&sessions.measured, sessions.met), (&None, None));
    }

    #[test]
    fn a_flat_figure_may_be_above_its_bound_while_the_interval_reaches_below() {
        let noisy = Estimate { median: 1.06, interval: Some((1.01, 1.2)) };
        assert!(ReachesBelow(1.05).is_met(noisy));
        assert!(!AtMost(1.05).is_met(noisy));
        let slower = Estimate { median: 1.08, interval: Some((1.06, 1.2)) };
        assert!(!ReachesBelow(1.05).is_met(slower));
    }
}
