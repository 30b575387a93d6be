//! When which call is to be sent.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::timer::Timer;
use super::{End, Pace};

/// A call that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// From 1.
    pub(super) number: u64,
    /// When it should have been sent: from here on it is late.
    pub(super) due: Instant,
}

/// Gives all connections their turns.
pub(super) struct Schedule<T> {
    pub(super) started: Instant,
    pace: Pace,
    until: Option<Instant>,
    max_calls: u64,
    given: Cell<u64>,
    /// Who waits for the next call of an open loop holds it; the others wait behind, first come, first served.
    timer: Mutex<T>,
}

impl<T: Timer> Schedule<T> {
    /// It starts now.
    pub(super) fn new(pace: Pace, end: End, timer: T) -> Self {
        let started = Instant::now();
        let (until, max_calls) = match end {
            End::After(limit) => (Some(started + limit), u64::MAX),
            End::Calls(calls) => (None, calls),
        };
        Self { started, pace, until, max_calls, given: Cell::new(0), timer: Mutex::new(timer) }
    }

    /// Waits for the next call, if there is one.
    pub(super) async fn next(&self) -> Option<Turn> {
        let Pace::Open { .. } = self.pace else { return self.take(Instant::now()) };
        let timer = self.timer.lock().await;
        let turn = self.take(self.due(self.given.get()))?;
        timer.until(turn.due).await;
        Some(turn)
    }

    fn take(&self, due: Instant) -> Option<Turn> {
        let given = self.given.get();
        let is_over = self.until.is_some_and(|until| due.max(Instant::now()) >= until);
        if given >= self.max_calls || is_over {
            return None;
        }
        self.given.set(given + 1);
        Some(Turn { number: given + 1, due })
    }

    /// When a call is due before which there are `earlier` ones.
    fn due(&self, earlier: u64) -> Instant {
        match self.pace {
            Pace::Closed { .. } => Instant::now(),
            Pace::Open { per_second } => {
                let nanoseconds =
                    u128::from(earlier) * 1_000_000_000 / u128::from(per_second.get());
                self.started + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
        }
    }

    /// How many turns have been taken.
    pub(super) fn given(&self) -> u64 {
        self.given.get()
    }

    /// How many calls were due before the end, but found no connection free.
    pub(super) fn unsent(&self) -> u64 {
        let (Pace::Open { per_second }, Some(until)) = (self.pace, self.until) else { return 0 };
        let nanoseconds = (until - self.started).as_nanos() * u128::from(per_second.get());
        let due = u64::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
        due.saturating_sub(self.given.get())
    }
}
