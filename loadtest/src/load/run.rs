//! One run from the first session to the report.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Context, ensure};
use http::Method;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use super::progress::shown;
use super::schedule::Schedule;
use super::tally::Tally;
use super::timer::Precise;
use super::{End, Endpoint, Load, Pace};
use crate::client::{Answered, Connection, Requests, Session, check};
use crate::measure::Processes;
use crate::report::Report;

/// A connection with its share of the sessions.
struct Caller {
    connection: Connection,
    sessions: Vec<Session>,
    /// Which of them the last call used.
    session: usize,
    requests: Requests,
}

/// Opens sessions, calls for the warm-up and for the run, and ends the sessions. It wants a runtime of one thread with a clock
/// and sockets, and needs no `LocalSet`.
///
/// # Errors
///
/// When no session can be opened or a process cannot be measured. Calls that fail are errors in the report.
pub async fn run(endpoint: &Endpoint, load: &Load) -> anyhow::Result<Report> {
    LocalSet::new().run_until(run_local(endpoint, load)).await
}

async fn run_local(endpoint: &Endpoint, load: &Load) -> anyhow::Result<Report> {
    ensure!(
        load.method == super::Method::List || !endpoint.tools.is_empty(),
        "there is no tool to call"
    );
    let mut callers = open(endpoint, load).await?;
    let mut tally = Tally::default();
    if !load.warmup.is_zero() {
        let schedule = Schedule::new(load.pace, End::After(load.warmup), Precise::new()?);
        (callers, tally) = call(callers, tally, &Rc::new(schedule), load.pace).await;
        tally = tally.after_warmup();
    }
    let processes = Processes::new(load.processes.clone());
    let before = processes.sample()?;
    let schedule = Rc::new(Schedule::new(load.pace, load.end, Precise::new()?));
    let (callers, tally) = call(callers, tally, &schedule, load.pace).await;
    let took = schedule.started.elapsed();
    let after = processes.sample()?;
    close(callers).await;
    let usage = (!load.processes.is_empty()).then_some((before, after));
    Ok(tally.report(took, schedule.unsent(), usage))
}

/// Connects, and deals the sessions to the connections.
async fn open(endpoint: &Endpoint, load: &Load) -> anyhow::Result<Vec<Caller>> {
    let connections = load.connections.get();
    let sessions = load.sessions.max(connections);
    let opened = Rc::new(RefCell::new(0));
    let mut opening = JoinSet::new();
    for number in 0..connections {
        let mut connection = Connection::new(endpoint).await?;
        let requests = Requests::new(load.method, &endpoint.tools, load.request_size);
        let share = (number..sessions).step_by(connections).len();
        let opened = Rc::clone(&opened);
        opening.spawn_local(async move {
            let mut sessions = Vec::with_capacity(share);
            while sessions.len() < share {
                sessions.push(Session::open(&mut connection).await?);
                *opened.borrow_mut() += 1;
            }
            Ok(Caller { connection, sessions, session: 0, requests })
        });
    }
    let progress = || format!("{} of {sessions} sessions open", opened.borrow());
    let callers = shown(progress, opening.join_all()).await;
    let callers: anyhow::Result<Vec<_>> = callers.into_iter().collect();
    callers.with_context(|| format!("{} of {sessions} sessions opened", opened.borrow()))
}

/// Lets all call until the schedule is over.
async fn call(
    callers: Vec<Caller>,
    tally: Tally,
    schedule: &Rc<Schedule<Precise>>,
    pace: Pace,
) -> (Vec<Caller>, Tally) {
    let shared = Rc::new(RefCell::new(tally));
    let mut calling = JoinSet::new();
    for mut caller in callers {
        let (schedule, tally) = (Rc::clone(schedule), Rc::clone(&shared));
        calling.spawn_local(async move {
            while let Some(turn) = schedule.next().await {
                let answered = caller.call(turn.number).await;
                let latency = turn.due.elapsed();
                match answered {
                    Ok(answered) => tally.borrow_mut().answered(answered, latency),
                    Err(error) => tally.borrow_mut().failed(&error),
                }
                if let Pace::Closed { think } = pace
                    && !think.is_zero()
                {
                    sleep(think).await;
                }
            }
            caller
        });
    }
    let progress = || {
        let seconds = schedule.started.elapsed().as_secs_f64();
        format!("{} calls in {seconds:.1} s", schedule.given())
    };
    let callers = shown(progress, calling.join_all()).await;
    (callers, shared.take())
}

impl Caller {
    async fn call(&mut self, number: u64) -> anyhow::Result<Answered> {
        let body = self.requests.call(number);
        self.session = (self.session + 1) % self.sessions.len();
        let session = Some(&self.sessions[self.session]);
        let response = self.connection.exchange(Method::POST, session, body).await?;
        check(&response, &self.requests.expected(number))
    }
}

/// Ends all sessions.
async fn close(callers: Vec<Caller>) {
    let mut closing = JoinSet::new();
    for Caller { mut connection, sessions, .. } in callers {
        closing.spawn_local(async move {
            for session in sessions {
                session.close(&mut connection).await;
            }
        });
    }
    shown(|| "ending the sessions".to_owned(), closing.join_all()).await;
}
