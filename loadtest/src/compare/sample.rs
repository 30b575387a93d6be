//! A small result with something of everything, for tests.

use std::collections::BTreeMap;

use super::criteria::judge;
use super::machine::{Build, Machine};
use super::results::{Comparison, Contender, Measure, Plots, Results, Series, Settings, Unit};
use crate::report::{PERCENTILES, Percentile, Report, Usage};

const ROUNDS: u32 = 7;

pub(crate) fn results() -> Results {
    let mut results = Results {
        date: "2026-11-21T20:00:00Z".to_owned(),
        machine: Machine {
            cpu: "Some CPU".to_owned(),
            cores: 2,
            memory_bytes: 16 << 30,
            kernel: "6.1.0".to_owned(),
        },
        build: Build {
            commit: "0123456789".to_owned(),
            dirty: false,
            rustc: "rustc 1.95.0".to_owned(),
            debug: false,
        },
        versions: BTreeMap::from([("nginx".to_owned(), "nginx/1.22.1".to_owned())]),
        settings: Settings { rounds: 7, seconds: 3.0, calls: None, long: false },
        problems: vec!["nginx was left out".to_owned()],
        verdicts: Vec::new(),
        comparisons: vec![
            comparison("call", "`tools/call`, 32 connections", Plots::Calls, 1.0),
            comparison("1mb", "a result of 1 MB", Plots::Payload { bytes: 1_000_000 }, 40.0),
            comparison("open-50", "half the rate", Plots::Rate { calls_per_second: 6e3 }, 0.5),
            comparison("open-80", "most of the rate", Plots::Rate { calls_per_second: 9.6e3 }, 0.8),
        ],
        measures: vec![
            measure(("start", "start to listening"), Unit::Milliseconds, vec![40.0, 41.0, 48.0]),
            measure(("binary-size", "size of the binary"), Unit::Bytes, vec![24e6]),
        ],
        series: vec![Series {
            name: "rss".to_owned(),
            contender: "every-layer".to_owned(),
            points: (0..60_u32).map(|second| (f64::from(second), 22e6)).collect(),
        }],
    };
    results.verdicts = judge(&results);
    results
}

/// Three contenders; `slow` makes all of them slower.
fn comparison(name: &str, title: &str, plots: Plots, slow: f64) -> Comparison {
    let direct = runs(slow * 40.0, None);
    let plain = runs(slow * 90.0, Some(slow * 20.0));
    let every_layer = runs(slow * 92.0, Some(slow * 21.4));
    let contenders = vec![
        Contender::new("direct", direct, Some(("plain", &plain))),
        Contender::new("every-layer", every_layer, Some(("plain", &plain))),
        Contender::new("plain", plain, None),
    ];
    Comparison { name: name.to_owned(), title: title.to_owned(), plots, contenders }
}

fn runs(us_per_call: f64, cpu: Option<f64>) -> Vec<Report> {
    let drift = |round| 1.0 + f64::from(round % 3) / 20.0;
    (0..ROUNDS)
        .map(|round| run(us_per_call * drift(round), cpu.map(|cpu| cpu * drift(round))))
        .collect()
}

/// One that made a call after the other, each of about this many microseconds.
pub(crate) fn run(us_per_call: f64, cpu_us_per_call: Option<f64>) -> Report {
    let tail = |percent: f64| us_per_call * (20.0 + 3.0 / (1.0001 - percent / 100.0).sqrt());
    let distribution = PERCENTILES.map(|percent| Percentile { percent, latency_us: tail(percent) });
    Report {
        calls: 10_000,
        errors: 0,
        unsent: 0,
        events: 0,
        seconds: 1.0,
        calls_per_second: 1e6 / us_per_call,
        received_bytes_per_second: 0.0,
        mean_us: tail(50.0),
        p50_us: tail(50.0),
        p90_us: tail(90.0),
        p99_us: tail(99.0),
        p99_9_us: tail(99.9),
        max_us: tail(100.0),
        distribution: distribution.to_vec(),
        error_messages: BTreeMap::new(),
        processes: cpu_us_per_call.map(|cpu_us_per_call| Usage {
            cpu_us_per_call,
            peak_rss_bytes: 22_000_000,
            rss_before_bytes: 21_000_000,
            rss_after_bytes: 22_000_000,
        }),
    }
}

/// One whose three calls were all refused.
pub(crate) fn failed() -> Report {
    let error_messages = BTreeMap::from([("HTTP status 500".to_owned(), 3)]);
    Report { calls: 0, errors: 3, error_messages, distribution: Vec::new(), ..run(1.0, None) }
}

fn measure(name: (&str, &str), unit: Unit, samples: Vec<f64>) -> Measure {
    Measure::new(name, "every-layer", unit, samples).unwrap()
}
