//! When which call is to be sent.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::timer::Timer;
use super::{End, Pace};

/// In a second.
const NANOSECONDS: u128 = 1_000_000_000;

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
    started: Instant,
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
        let Pace::Open { per_second } = self.pace else { return self.take(Instant::now()) };
        let timer = self.timer.lock().await;
        let turn = self.take(self.due(per_second))?;
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

    /// When the next call of an open loop is due.
    fn due(&self, per_second: NonZeroU32) -> Instant {
        let earlier = u128::from(self.given.get());
        let nanoseconds = earlier * NANOSECONDS / u128::from(per_second.get());
        self.started + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Waits as long as a connection does after an answer.
    pub(super) async fn think(&self) {
        if let Pace::Closed { think } = self.pace
            && !think.is_zero()
        {
            sleep(think).await;
        }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How many turns have been taken.
    pub(super) fn given(&self) -> u64 {
        self.given.get()
    }

    /// How many calls were due before the end, but found no connection free.
    pub(super) fn unsent(&self) -> u64 {
        let (Pace::Open { per_second }, Some(until)) = (self.pace, self.until) else { return 0 };
        let nanoseconds = (until - self.started).as_nanos() * u128::from(per_second.get());
        let due = u64::try_from(nanoseconds.div_ceil(NANOSECONDS)).unwrap_or(u64::MAX);
        due.saturating_sub(self.given.get())
    }
}
