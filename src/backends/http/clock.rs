//! How long a call may take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{self, Instant, Sleep};

/// How long any call may take, whatever it says in the meantime.
pub(super) const ABSOLUTE_CAP: Duration = Duration::from_hours(1);
/// How long a client has to answer what a backend asks it.
const ASKING: Duration = Duration::from_mins(10);

/// Runs out when a call has been silent for too long.
#[derive(Debug)]
pub(super) struct Clock {
    idle: Duration,
    cap: Instant,
    deadline: Instant,
    /// Made when there is something to wait for: most answers are there at once.
    sleep: Option<Pin<Box<Sleep>>>,
    asked: Option<Arc<Asked>>,
}

/// What the client is being asked: while it is, the backend may be silent.
#[derive(Debug, Default)]
struct Asked {
    open: AtomicUsize,
    waker: AtomicWaker,
}

/// One question under way.
#[derive(Debug)]
pub(super) struct Question(Arc<Asked>);

impl Drop for Question {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.waker.wake();
        }
    }
}

impl Clock {
    /// A clock that has been running since `started`.
    pub(super) fn new(started: Instant, idle: Duration) -> Self {
        let cap = started + ABSOLUTE_CAP;
        let deadline = cap.min(Instant::now() + idle);
        Self { idle, cap, deadline, sleep: None, asked: None }
    }

    /// Something came from the backend.
    pub(super) fn touch(&mut self) {
        if self.asked.is_none() {
            self.set(self.idle);
        }
    }

    /// The client is being asked something, until the question is dropped.
    pub(super) fn ask(&mut self) -> Question {
        let asked = Arc::clone(self.asked.get_or_insert_default());
        asked.open.fetch_add(1, Ordering::AcqRel);
        self.set(ASKING);
        Question(asked)
    }

    fn set(&mut self, after: Duration) {
        self.deadline = self.cap.min(Instant::now() + after);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.deadline);
        }
    }

    /// Ready when the time is over, with how long it was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if let Some(asked) = &self.asked {
            asked.waker.register(cx.waker());
            if asked.open.load(Ordering::Acquire) == 0 {
                self.asked = None;
                self.touch();
            }
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(match self.asked {
            _ if self.deadline == self.cap => ABSOLUTE_CAP,
            Some(_) => ASKING,
            None => self.idle,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const IDLE: Duration = Duration::from_mins(5);

    async fn clock_said(clock: &mut Clock) -> Duration {
        poll_fn(|cx| clock.poll(cx)).await
    }

    async fn runs_out_after(clock: &mut Clock) -> Duration {
        let start = Instant::now();
        clock_said(clock).await;
        // Timers have a resolution of a millisecond.
        Duration::from_secs((start.elapsed() + Duration::from_millis(500)).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_starts_the_idle_time_again() {
        let mut clock = Clock::new(Instant::now(), IDLE);
        time::advance(IDLE / 2).await;
        clock.touch();
        assert_eq!(runs_out_after(&mut clock).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_may_be_silent_while_the_client_is_asked() {
        let mut clock = Clock::new(Instant::now(), IDLE);
        let question = clock.ask();
        clock.touch();
        assert!(time::timeout(IDLE + IDLE / 2, clock_said(&mut clock)).await.is_err());
        drop(question);
        assert_eq!(runs_out_after(&mut clock).await, IDLE);

        let _question = clock.ask();
        assert_eq!(runs_out_after(&mut clock).await, ASKING);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_takes_longer_than_the_cap() {
        let mut clock = Clock::new(Instant::now(), IDLE);
        time::advance(ABSOLUTE_CAP.saturating_sub(IDLE / 2)).await;
        clock.touch();
        assert_eq!(clock_said(&mut clock).await, ABSOLUTE_CAP);
    }
}
