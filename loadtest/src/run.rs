//! One run: all connections call until time or calls are used up.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval};

use crate::args::Args;
use crate::client::Client;
use crate::report::{Outcome, Report};

/// How often progress is shown.
const REFRESH: Duration = Duration::from_millis(250);

/// What all connections share.
struct Budget {
    started: Instant,
    until: Option<Instant>,
    calls: Cell<u64>,
    max_calls: u64,
}

impl Budget {
    /// The number of the next call, if there may be one.
    fn next(&self) -> Option<u64> {
        let number = self.calls.get() + 1;
        if number > self.max_calls || self.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        self.calls.set(number);
        Some(number)
    }
}

/// Connects all clients, then lets them call.
pub(crate) async fn run(args: Args) -> anyhow::Result<Report> {
    LocalSet::new().run_until(run_local(args)).await
}

async fn run_local(args: Args) -> anyhow::Result<Report> {
    let address = args.address().await?;
    let mut clients = Vec::with_capacity(args.connections.get());
    for number in 1..=args.connections.get() {
        let client = Client::connect(address, &args.url, &args.tool).await;
        clients.push(client.with_context(|| format!("connection {number}"))?);
    }
    let started = Instant::now();
    let budget = Rc::new(Budget {
        started,
        until: args.time_limit().map(|limit| started + limit),
        calls: Cell::new(0),
        max_calls: args.calls.unwrap_or(u64::MAX),
    });
    let mut connections = JoinSet::new();
    for client in clients {
        connections.spawn_local(connection(client, Rc::clone(&budget)));
    }
    let outcomes = tokio::select! {
        outcomes = connections.join_all() => outcomes,
        () = show_progress(&budget) => unreachable!("progress is shown until the end"),
    };
    Ok(Report::new(outcomes, started.elapsed()))
}

/// Calls until the budget is used up or a call fails.
async fn connection(mut client: Client, budget: Rc<Budget>) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(number) = budget.next() {
        let sent = Instant::now();
        if let Err(error) = client.call(number, &format!("call {number}")).await {
            outcome.error = Some(format!("{error:#}"));
            return outcome;
        }
        outcome.latencies.push(sent.elapsed());
    }
    client.close().await;
    outcome
}

/// Counts on a terminal; elsewhere it only waits.
async fn show_progress(budget: &Budget) {
    let mut refresh = interval(REFRESH);
    let is_terminal = stderr().is_terminal();
    loop {
        refresh.tick().await;
        if is_terminal {
            let seconds = budget.started.elapsed().as_secs_f64();
            eprint!("\r{} calls in {seconds:.1} s\x1b[K\r", budget.calls.get());
        }
    }
}
