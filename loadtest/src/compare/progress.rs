//! Tells a person how far it is, and a log what happened.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use tokio::time::Instant;

use crate::report::Report;

pub(super) struct Progress {
    started: Instant,
    done: usize,
    total: usize,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        if stderr().is_terminal() {
            // The line that is replaced from now on.
            eprintln!();
        }
        Self { started: Instant::now(), done: 0, total, is_terminal: stderr().is_terminal() }
    }

    /// Something begins. On a terminal it replaces what stood in the line above the generator's own.
    pub(super) fn begins(&self, what: &str) {
        if self.is_terminal {
            let left = self.total.saturating_sub(self.done);
            let time = self.time_left().map(|time| format!(", about {} left", minutes(time)));
            eprintln!("\x1b[A\r\x1b[K{what} ({left} to do{})", time.unwrap_or_default());
        }
    }

    /// It has ended; without a terminal this is its one line.
    pub(super) fn ended(&mut self, what: &str, outcome: &str) {
        self.done += 1;
        if !self.is_terminal {
            eprintln!("{}/{} {what}: {outcome}", self.done, self.total);
        }
    }

    /// As far as what is done tells; nothing is known at the beginning.
    fn time_left(&self) -> Option<Duration> {
        let done = u32::try_from(self.done).ok().filter(|done| *done > 0)?;
        let left = u32::try_from(self.total.saturating_sub(self.done)).ok()?;
        Some(self.started.elapsed() / done * left)
    }
}

/// A run in a few words.
pub(super) fn outcome(report: &Report) -> String {
    let cpu = report.processes.map(|usage| format!(", {:.1} us CPU", usage.cpu_us_per_call));
    let errors =
        if report.errors > 0 { format!(", {} ERRORS", report.errors) } else { String::new() };
    let (rate, p50) = (report.calls_per_second, report.p50_us);
    format!("{rate:.0} calls/s, p50 {p50:.0} us{}{errors}", cpu.unwrap_or_default())
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 90 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_told_in_minutes() {
        assert_eq!(minutes(Duration::from_secs(89)), "89 s");
        assert_eq!(minutes(Duration::from_secs(90)), "2 min");
        assert_eq!(minutes(Duration::from_secs(1470)), "25 min");
    }
}
