//! How long a call may go on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::call::{Answer, Responder};

/// How long a client may think about a request of a backend.
const ASKED: Duration = Duration::from_mins(10);
/// How long a call may take, whatever happens.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// Measures how long nothing happened in a call.
///
/// Every event starts it anew; it stands still while the client is being asked something.
#[derive(Debug)]
pub(in crate::backends) struct Clock {
    idle: Duration,
    latest: Instant,
    activity: Arc<Mutex<Activity>>,
    sleep: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Activity {
    last: Instant,
    asked: usize,
}

impl Clock {
    pub(in crate::backends) fn new(idle: Duration) -> Self {
        let now = Instant::now();
        Self {
            idle,
            latest: now + LONGEST_CALL,
            activity: Arc::new(Mutex::new(Activity { last: now, asked: 0 })),
            sleep: Box::pin(sleep_until(now + idle.min(LONGEST_CALL))),
        }
    }

    /// Something happened.
    pub(in crate::backends) fn touch(&self) {
        self.activity.lock().last = Instant::now();
    }

    /// The client is asked; the clock goes on when the responder is used or dropped.
    pub(in crate::backends) fn asking(&self, responder: Responder) -> Responder {
        self.activity.lock().asked += 1;
        let activity = Arc::clone(&self.activity);
        let aside = responder.aside().cloned();
        let asking = Responder::new(move |answer| {
            let mut now = activity.lock();
            now.asked -= 1;
            now.last = Instant::now();
            drop(now);
            match answer {
                Answer::Response(message) => responder.respond(message),
                Answer::Refused(reason) => responder.refuse(reason),
            }
        });
        asking.with_aside(aside)
    }

    /// Ready when time is up, with how long that was.
    ///
    /// While the client is asked it looks again after each idle time, since nobody wakes it when
    /// the answer comes: a call may then stay silent for up to twice its idle time.
    pub(in crate::backends) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.latest {
                return Poll::Ready(LONGEST_CALL);
            }
            let Activity { last, asked } = *self.activity.lock();
            let patience = if asked > 0 { ASKED.max(self.idle) } else { self.idle };
            if now >= last + patience {
                return Poll::Ready(patience);
            }
            let look_again = (last + patience).min(now + self.idle).min(self.latest);
            self.sleep.as_mut().reset(look_again);
        }
    }

    pub(in crate::backends) async fn expired(&mut self) -> Duration {
        std::future::poll_fn(|cx| self.poll_expired(cx)).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn every_event_starts_the_idle_time_anew() {
        let start = Instant::now();
        let mut clock = Clock::new(IDLE);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(4)).await;
            assert!(clock.expired().now_or_never().is_none());
            clock.touch();
        }
        assert_eq!(clock.expired().await, IDLE);
        assert_eq!(start.elapsed().as_secs(), 12 + 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_has_time_of_its_own_to_answer() {
        let mut clock = Clock::new(IDLE);
        let responder = clock.asking(Responder::new(|_| {}));
        tokio::time::advance(Duration::from_secs(500)).await;
        assert!(clock.expired().now_or_never().is_none());
        drop(responder);
        assert!(clock.expired().now_or_never().is_none());
        assert_eq!(clock.expired().await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_answers_ends_the_call() {
        let mut clock = Clock::new(IDLE);
        let _responder = clock.asking(Responder::new(|_| {}));
        assert_eq!(clock.expired().await, ASKED);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_lives_for_ever() {
        let mut clock = Clock::new(IDLE);
        let start = Instant::now();
        let expired = loop {
            tokio::time::advance(Duration::from_secs(4)).await;
            clock.touch();
            if let Some(after) = clock.expired().now_or_never() {
                break after;
            }
        };
        assert_eq!(expired, LONGEST_CALL);
        assert!(start.elapsed() < LONGEST_CALL + IDLE);
    }
}
