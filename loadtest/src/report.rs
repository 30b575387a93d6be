//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the distribution of latencies is known.
pub const PERCENTILES: [f64; 20] = [
    0.0, 5.0, 10.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0,
    99.5, 99.9, 99.99, 100.0,
];

/// What all connections did together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// Calls with the answer that they should have.
    pub calls: u64,
    /// Calls without; those of the warm-up count too.
    pub errors: u64,
    /// Calls of an open loop that were due before the end and for which no connection was free.
    pub unsent: u64,
    /// Events of all answers that were streams.
    pub events: u64,
    /// From the first call until the last answer.
    pub seconds: f64,
    /// Answered calls per second.
    pub calls_per_second: f64,
    /// The bodies of the answers.
    pub received_bytes_per_second: f64,
    /// The mean latency.
    pub mean_us: f64,
    /// The latency that half of the calls did not exceed.
    pub p50_us: f64,
    /// The same for 90 % of them.
    pub p90_us: f64,
    /// The same for 99 % of them.
    pub p99_us: f64,
    /// The same for 99.9 % of them.
    pub p99_9_us: f64,
    /// The longest latency.
    pub max_us: f64,
    /// The latencies at [`PERCENTILES`], for a curve.
    pub distribution: Vec<Percentile>,
    /// What went wrong, and how often.
    pub error_messages: BTreeMap<String, u64>,
    /// What the processes under test used, if any were named.
    pub processes: Option<Usage>,
}

/// A point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Percentile {
    /// So many of the calls…
    pub percent: f64,
    /// … took no longer than this.
    pub latency_us: f64,
}

/// What the processes under test used, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Usage {
    /// User and system time for each answered call.
    pub cpu_us_per_call: f64,
    /// The most that they have had in memory since they started.
    pub peak_rss_bytes: u64,
    /// What they had in memory after the warm-up.
    pub rss_before_bytes: u64,
    /// What they had in memory after the last call.
    pub rss_after_bytes: u64,
}

impl Report {
    /// A run with any error has failed, and so has one without a call.
    pub fn has_failed(&self) -> bool {
        self.errors > 0 || self.calls == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls      {:>12}", self.calls)?;
        writeln!(f, "errors     {:>12}", self.errors)?;
        if self.unsent > 0 {
            writeln!(f, "unsent     {:>12}", self.unsent)?;
        }
        if self.events > 0 {
            writeln!(f, "events     {:>12}", self.events)?;
        }
        writeln!(f, "seconds    {:>12.2}", self.seconds)?;
        writeln!(f, "calls/s    {:>12.0}", self.calls_per_second)?;
        writeln!(f, "received   {:>12.3} MB/s", self.received_bytes_per_second / 1e6)?;
        for (name, us) in [
            ("p50", self.p50_us),
            ("p90", self.p90_us),
            ("p99", self.p99_us),
            ("p99.9", self.p99_9_us),
            ("max", self.max_us),
        ] {
            writeln!(f, "{name:<10} {:>12.3} ms", us / 1e3)?;
        }
        if let Some(usage) = &self.processes {
            writeln!(f, "CPU        {:>12.1} us per call", usage.cpu_us_per_call)?;
            write_rss(f, "before", usage.rss_before_bytes)?;
            write_rss(f, "after", usage.rss_after_bytes)?;
            write_rss(f, "peak", usage.peak_rss_bytes)?;
        }
        for (message, times) in &self.error_messages {
            writeln!(f, "error: {message} ({times} times)")?;
        }
        Ok(())
    }
}

/// What holding sessions came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldReport {
    /// How many sessions were opened.
    pub sessions: usize,
    /// How many streams were opened.
    pub streams: usize,
    /// How many of them were still open at the end.
    pub streams_at_end: usize,
    /// How long all of it was held.
    pub seconds: f64,
    /// What the processes under test have in memory, if any were named.
    pub processes: Option<Held>,
}

/// What the processes under test have in memory, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// Before the first session.
    pub rss_before_bytes: u64,
    /// When everything was open.
    pub rss_opened_bytes: u64,
    /// At the end, with everything still open.
    pub rss_at_end_bytes: u64,
    /// The most since they started.
    pub peak_rss_bytes: u64,
    /// What each session, with its stream if it has one, adds at the end; other memory that was given back makes it negative.
    pub bytes_per_session: f64,
}

impl HoldReport {
    /// A stream that was not held has failed.
    pub fn has_failed(&self) -> bool {
        self.streams_at_end < self.streams
    }
}

impl fmt::Display for HoldReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sessions   {:>12}", self.sessions)?;
        writeln!(f, "streams    {:>12}", self.streams)?;
        writeln!(f, "at the end {:>12}", self.streams_at_end)?;
        writeln!(f, "seconds    {:>12.2}", self.seconds)?;
        let Some(held) = &self.processes else { return Ok(()) };
        write_rss(f, "before", held.rss_before_bytes)?;
        write_rss(f, "opened", held.rss_opened_bytes)?;
        write_rss(f, "at end", held.rss_at_end_bytes)?;
        write_rss(f, "peak", held.peak_rss_bytes)?;
        writeln!(f, "each       {:>12.0} bytes", held.bytes_per_session)
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing has 2^52 bytes of memory")]
fn write_rss(f: &mut fmt::Formatter<'_>, when: &str, bytes: u64) -> fmt::Result {
    writeln!(f, "RSS {when:<6} {:>12.1} MB", bytes as f64 / 1e6)
}
