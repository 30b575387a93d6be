//! The timer behind hyper's deadline for a request's head.
//!
//! hyper sets a new timer for each request and drops it when the head is there. To put one into
//! the runtime's wheel and to take it out again costs more than to read the head, so all of a
//! connection's deadlines share one that stays there: it rings early, and is then moved.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time::{self, Instant};

/// One connection's timer.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer(Arc<Mutex<Pin<Box<time::Sleep>>>>);

impl HeadTimer {
    /// Rings first after `timeout`, which is the time that hyper will ask for.
    pub(super) fn new(timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(time::sleep(timeout)))))
    }
}

#[expect(clippy::disallowed_types, reason = "hyper's; it is the runtime's clock that is read")]
impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until((Instant::now() + duration).into_std())
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Deadline { deadline: Instant::from_std(deadline), timer: self.clone() })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Over when the time has come.
struct Deadline {
    deadline: Instant,
    timer: HeadTimer,
}

impl Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.0.lock();
        if timer.deadline() > self.deadline {
            timer.as_mut().reset(self.deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_kept_though_they_share_a_timer() {
        let timer = HeadTimer::new(Duration::from_secs(100));
        for seconds in [100, 150, 10, 0, 1000] {
            let (since, duration) = (Instant::now(), Duration::from_secs(seconds));
            timer.sleep(duration).await;
            assert_eq!(since.elapsed().as_secs(), seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_dropped_does_not_shorten_the_next() {
        let timer = HeadTimer::new(Duration::from_secs(100));
        let dropped = time::timeout(Duration::from_secs(90), timer.sleep(Duration::from_secs(100)));
        dropped.await.expect_err("it has ten seconds left");
        let since = Instant::now();
        timer.sleep(Duration::from_secs(100)).await;
        assert_eq!(since.elapsed().as_secs(), 100);
    }
}
