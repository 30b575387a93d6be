//! Sessions and GET streams that are open and idle.

use std::future::ready;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use super::bench::Bench;
use super::results::{Measure, Results, Unit, float};
use super::scenarios::{EVERY_LAYER, STREAMS};
use crate::load::{self, Hold};
use crate::target::{Scene, Target};

const SESSIONS: usize = 10_000;
/// As many as a process that may have 20,000 descriptors has to hold, with room for those to backends.
const HELD: usize = 15_000;
/// How many of each are opened to see that it works.
const QUICK: usize = 20;
/// How long they are held: what opening them took meanwhile has been given back by then.
const HOLD: Duration = Duration::from_secs(5);
const WARMUP_SHARE: usize = 10;
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(32).expect("not 0");

impl Bench {
    /// One start for the sessions and one for the streams.
    pub(super) fn turns_of_streams() -> usize {
        2
    }

    pub(super) async fn streams(&mut self, results: &mut Results) -> anyhow::Result<()> {
        let number = |full| if self.settings.calls.is_some() { QUICK } else { full };
        for (sessions, with_streams) in [(number(SESSIONS), false), (number(HELD), true)] {
            let kind = if with_streams { "GET streams" } else { "idle sessions" };
            let what = format!("{STREAMS}: {sessions} {kind}");
            self.progress.begins(&what);
            let running = Target::EveryLayer.start(&self.programs, &Scene::default()).await?;
            let processes = running.pids();
            let hold = Hold { sessions, with_streams, connections: CONNECTIONS, processes };
            let wait = sleep(if self.settings.calls.is_some() { Duration::ZERO } else { HOLD });
            let endpoint = running.endpoint()?;
            // What the first sessions cost once is none of the others' costs.
            let first = Hold { sessions: sessions.div_ceil(WARMUP_SHARE), ..hold.clone() };
            load::hold(&endpoint, &first, ready(())).await.with_context(|| what.clone())?;
            let report = load::hold(&endpoint, &hold, wait).await;
            let report = report.with_context(|| what.clone())?;
            let bytes = report.processes.context("the gateway was not measured")?.bytes_per_session;
            self.progress.ended(&what, &format!("{bytes:.0} bytes each"));
            let name = if with_streams {
                let count = float(report.streams_at_end as u64);
                let name = ("streams-held", "open GET streams held");
                results.measures.extend(Measure::new(name, EVERY_LAYER, Unit::Count, vec![count]));
                ("bytes-per-stream", "memory per session with an open GET stream")
            } else {
                ("bytes-per-session", "memory per idle session without a stream")
            };
            results.measures.extend(Measure::new(name, EVERY_LAYER, Unit::Bytes, vec![bytes]));
        }
        Ok(())
    }
}
