//! What the gateway takes before it does anything, and what it keeps of what it did.

use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, interval};

use super::bench::Bench;
use super::results::{Comparison, Measure, Results, Series, Unit, float};
use super::scenarios::{EVERY_LAYER, MEMORY};
use crate::load::{self, End, Load};
use crate::measure::Processes;
use crate::report::Report;
use crate::target::{Running, Scene, Target, binary_bytes, start_to_listening};

/// Whose memory is looked at.
const TARGETS: [Target; 3] = [Target::Plain, Target::OnlyRouter, Target::EveryLayer];
/// How often the gateway is started to tell how long that takes.
const STARTS: usize = 15;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How long there is load, unless a long test is asked for or a quick one.
const LOAD: Duration = Duration::from_secs(30);
const LONG_LOAD: Duration = Duration::from_mins(10);
/// Until here memory may grow.
const FIRST_MINUTE: f64 = 60.0;

/// How much the peak of the gateway's memory has grown from the first round of a comparison to the last, for those that
/// have much to hold.
pub(super) fn growth(comparison: &Comparison) -> Option<Measure> {
    let (name, title) = match comparison.name.as_str() {
        "1mb" => ("1mb-growth", "1 MB results: peak memory of the last round against the first"),
        "sse" => ("sse-growth", "1,000 events: peak memory of the last round against the first"),
        _ => return None,
    };
    let runs = &comparison.contender(EVERY_LAYER)?.runs;
    let peak = |run: &Report| run.processes.map(|usage| float(usage.peak_rss_bytes));
    let growth = peak(runs.last()?)? / peak(runs.first()?)?;
    Measure::new((name, title), EVERY_LAYER, Unit::Ratio, vec![growth])
}

impl Bench {
    pub(super) fn turns_of_memory() -> usize {
        TARGETS.len()
    }

    pub(super) async fn memory(&mut self, results: &mut Results) -> anyhow::Result<()> {
        let binary = binary_bytes(&self.programs)?;
        let size = ("binary-size", "size of the binary");
        results.measures.extend(Measure::new(size, EVERY_LAYER, Unit::Bytes, vec![float(binary)]));
        let starts = if self.settings.calls.is_some() { 1 } else { STARTS };
        self.progress.begins(&format!("{MEMORY}: starting {EVERY_LAYER} {starts} times"));
        let start = start_to_listening(&self.programs, &Scene::default(), starts).await?;
        let name = ("start", "start to listening, 10 backends");
        let start = vec![start.as_secs_f64() * 1e3];
        results.measures.extend(Measure::new(name, EVERY_LAYER, Unit::Milliseconds, start));
        for target in TARGETS {
            self.progress.begins(&format!("{MEMORY}: starting {}", target.name()));
            let running = target.start(&self.programs, &Scene::default()).await?;
            let idle = float(Processes::new(running.pids()).sample()?.rss_bytes);
            let name = ("idle-rss", "memory, idle with 10 backends");
            results.measures.extend(Measure::new(name, target.name(), Unit::Bytes, vec![idle]));
            let what = format!("{MEMORY}: {} under load", target.name());
            self.progress.begins(&what);
            let points = self.under_load(&running).await?;
            let last = points.last().map_or(idle, |(_, bytes)| *bytes);
            self.progress
                .ended(&what, &format!("{:.1} MB idle, {:.1} MB after", idle / 1e6, last / 1e6));
            let name = ("loaded-rss", "memory after load");
            results.measures.extend(Measure::new(name, target.name(), Unit::Bytes, vec![last]));
            let growth = points.iter().rfind(|(second, _)| *second <= FIRST_MINUTE);
            if let (true, Some((_, first_minute))) = (self.settings.long, growth) {
                let name = ("long-growth", "memory after 10 minutes against the first");
                let growth = vec![last / first_minute];
                results.measures.extend(Measure::new(name, target.name(), Unit::Ratio, growth));
            }
            results.series.push(Series {
                name: "rss".to_owned(),
                contender: target.name().to_owned(),
                points,
            });
        }
        Ok(())
    }

    /// Seconds and resident bytes.
    async fn under_load(&self, running: &Running) -> anyhow::Result<Vec<(f64, f64)>> {
        let length = if self.settings.long { LONG_LOAD } else { LOAD };
        let end = self.settings.calls.map_or(End::After(length), End::Calls);
        let load = Load { end, processes: running.pids(), ..self.load() };
        let processes = Processes::new(running.pids());
        let mut points = Vec::new();
        let sample = async {
            let started = Instant::now();
            let mut ticks = interval(SAMPLE_EVERY);
            loop {
                ticks.tick().await;
                let bytes = processes.sample().context("while under load")?.rss_bytes;
                points.push((started.elapsed().as_secs_f64(), float(bytes)));
            }
        };
        let endpoint = running.endpoint()?;
        tokio::select! {
            report = load::run(&endpoint, &load) => report.map(|_| ()),
            error = sample => error,
        }?;
        Ok(points)
    }
}
