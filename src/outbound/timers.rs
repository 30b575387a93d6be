//! Limits on how long something may take, for what is limited often and hardly ever takes so long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::time::{self, Instant, Sleep};

/// How many timers wait to be used again.
const MAX_SPARE: usize = 64;

/// Timers that are used again and again, of one worker thread; cheap to clone.
///
/// A new timer takes a lock of the runtime when it is first waited for and another one when it is
/// dropped. One that stays registered is moved to a later time without any, and nearly every limit
/// is later than those before it.
#[derive(Clone, Default)]
pub struct Timers(Arc<Mutex<Vec<Pin<Box<Sleep>>>>>);

impl Timers {
    /// What `future` comes to; `None` if that takes until `deadline`.
    pub fn until<F: Future>(&self, deadline: Instant, future: F) -> Until<F> {
        Until { future, timer: Timer { deadline, sleep: None, spare: self.clone() } }
    }

    fn take(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        let spare = self.0.lock().pop();
        match spare {
            Some(mut sleep) => {
                sleep.as_mut().reset(deadline);
                sleep
            }
            None => Box::pin(time::sleep_until(deadline)),
        }
    }

    fn give_back(&self, sleep: Pin<Box<Sleep>>) {
        let mut spare = self.0.lock();
        if spare.len() < MAX_SPARE {
            spare.push(sleep);
        }
    }
}

impl std::fmt::Debug for Timers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Timers")
    }
}

pin_project! {
    /// The future of [`Timers::until`].
    pub struct Until<F> {
        #[pin]
        future: F,
        timer: Timer,
    }
}

/// A timer that goes back when it is of no more use.
struct Timer {
    deadline: Instant,
    /// Taken when there is something to wait for.
    sleep: Option<Pin<Box<Sleep>>>,
    spare: Timers,
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| self.spare.take(self.deadline));
        sleep.as_mut().poll(cx)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(sleep) = self.sleep.take() {
            self.spare.give_back(sleep);
        }
    }
}

impl<F: Future> Future for Until<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => this.timer.poll(cx).map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_used_again_runs_out_at_its_new_time() {
        let timers = Timers::default();
        for limit in [5, 10, 3, 60, 1] {
            let begun = Instant::now();
            let limit = SECOND * limit;
            assert_eq!(timers.until(begun + limit, pending::<()>()).await, None);
            assert_eq!(begun.elapsed(), limit);
            assert_eq!(timers.0.lock().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_of_what_was_given_up_does_not_cut_the_next_one_short() {
        let timers = Timers::default();
        let begun = Instant::now();
        for at in 1..10 {
            let given_up = timers.until(begun + SECOND * (at + 5), pending::<()>());
            assert!(time::timeout_at(begun + SECOND * at, given_up).await.is_err());
        }
        assert_eq!(timers.until(begun + SECOND * 20, pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), SECOND * 20);
    }

    #[tokio::test]
    async fn what_is_ready_needs_no_timer() {
        let timers = Timers::default();
        assert_eq!(timers.until(Instant::now(), ready(7)).await, Some(7));
        assert!(timers.0.lock().is_empty());
    }
}
