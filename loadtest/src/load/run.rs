//! One run from the first session to the report.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::ensure;
use tokio::task::{JoinSet, LocalSet};

use super::drive::drive;
use super::progress::shown;
use super::schedule::Schedule;
use super::shares::{self, Share};
use super::tally::Tally;
use super::timer::Precise;
use super::{End, Endpoint, Load, Method};
use crate::client::{Answered, Requests, check};
use crate::measure::Processes;
use crate::report::Report;

/// One that calls.
struct Caller {
    share: Share,
    /// Which of its sessions the last call used.
    session: usize,
    requests: Requests,
}

/// Opens sessions, calls for the warm-up and for the run, and ends the sessions. It needs a runtime of one thread, with timers
/// and sockets, and brings its own `LocalSet`.
///
/// # Errors
///
/// When a session cannot be opened or a process not be measured. Calls that fail are errors in the report.
pub async fn run(endpoint: &Endpoint, load: &Load) -> anyhow::Result<Report> {
    LocalSet::new().run_until(run_local(endpoint, load)).await
}

async fn run_local(endpoint: &Endpoint, load: &Load) -> anyhow::Result<Report> {
    let has_names = load.method == Method::List || !endpoint.tools.is_empty();
    ensure!(has_names, "there is no tool to call");
    let sessions = load.sessions.max(load.connections.get());
    let shares = shares::open(endpoint, load.connections, sessions).await?;
    let requests = || Requests::new(load.method, &endpoint.tools, load.request_size);
    let callers =
        shares.into_iter().map(|share| Caller { share, session: 0, requests: requests() });
    let (mut callers, mut tally) = (callers.collect(), Tally::default());
    if !load.warmup.is_zero() {
        let warmup = Schedule::new(load.pace, End::After(load.warmup), Precise::new()?);
        (callers, tally) = call(callers, tally, &Rc::new(warmup)).await;
        tally = tally.after_warmup();
    }
    let processes = Processes::new(load.processes.clone());
    let before = processes.sample()?;
    let schedule = Rc::new(Schedule::new(load.pace, load.end, Precise::new()?));
    let (callers, tally) = call(callers, tally, &schedule).await;
    let took = schedule.elapsed();
    let after = processes.sample()?;
    shares::close(callers.into_iter().map(|caller| caller.share)).await;
    let usage = (!load.processes.is_empty()).then_some((before, after));
    Ok(tally.report(took, schedule.unsent(), usage))
}

/// Lets all call until the schedule is over.
async fn call(
    callers: Vec<Caller>,
    tally: Tally,
    schedule: &Rc<Schedule<Precise>>,
) -> (Vec<Caller>, Tally) {
    let tally = Rc::new(RefCell::new(tally));
    let mut calling = JoinSet::new();
    for mut caller in callers {
        let (schedule, tally) = (Rc::clone(schedule), Rc::clone(&tally));
        calling.spawn_local(async move {
            let record = |answer, latency| tally.borrow_mut().record(answer, latency);
            drive(&schedule, async |number| caller.call(number).await, record).await;
            caller
        });
    }
    let progress = || {
        let seconds = schedule.elapsed().as_secs_f64();
        format!("{} calls in {seconds:.1} s", schedule.given())
    };
    let callers = shown(progress, calling.join_all()).await;
    (callers, tally.take())
}

impl Caller {
    async fn call(&mut self, number: u64) -> anyhow::Result<Answered> {
        let body = self.requests.call(number);
        let Share { connection, sessions } = &mut self.share;
        self.session = (self.session + 1) % sessions.len();
        let response = connection.post(&sessions[self.session], body).await?;
        check(&response, &self.requests.expected(number))
    }
}
