//! Waiting for a moment, to some microseconds.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Something that waits. Only one may wait at a time.
pub(super) trait Timer {
    /// Waits until `due`, not at all if that has passed.
    async fn until(&self, due: Instant);
}

/// A timer of the kernel: tokio's own has a resolution of a millisecond, which is more than most calls take.
pub(super) struct Precise(AsyncFd<OwnedFd>);

impl Precise {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "unsound for types whose descriptor changes; an OwnedFd keeps its own"
        )]
        Ok(Self(AsyncFd::new(timer)?))
    }

    async fn wait(&self, due: Instant) -> io::Result<()> {
        let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        else {
            return Ok(());
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let left = left.try_into().map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: zero, it_value: left };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        let mut expirations = [0; 8];
        self.0
            .async_io(tokio::io::Interest::READABLE, |fd| {
                Ok(rustix::io::read(fd, &mut expirations)?)
            })
            .await?;
        Ok(())
    }
}

impl Timer for Precise {
    async fn until(&self, due: Instant) {
        self.wait(due).await.expect("a timer can be set and read");
    }
}
