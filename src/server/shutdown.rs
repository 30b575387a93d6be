//! How the process comes to an end: first politely, then not.

use std::io;

use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

/// The two stages of an end, shared by everything that has to notice.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
}

impl Shutdown {
    /// An end that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the first stage: take nothing new, finish what is under way.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Begins the second stage: what is still under way says its last word now.
    pub fn stop(&self) {
        self.draining.cancel();
        self.stopping.cancel();
    }

    /// Whether the first stage has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when the first stage begins.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when the second stage begins.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Drains on the first signal and exits the process on the second.
    ///
    /// Returns when the second stage has begun, by whatever cause.
    pub async fn follow(&self, mut signals: Signals) {
        let Some(first) = self.stopping.run_until_cancelled(signals.next()).await else { return };
        tracing::info!(signal = first.name(), "shutting down; a second signal exits at once");
        self.drain();
        if let Some(second) = self.stopping.run_until_cancelled(signals.next()).await {
            tracing::warn!(signal = second.name(), "exiting at once");
            std::process::exit(second.exit_code());
        }
    }
}

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill`, systemd and Kubernetes send.
    Terminate,
}

impl Signal {
    /// Its name in `signal(7)`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit code of a process that it ended: 128 and its number.
    pub const fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The signals that end the process, from now on ours to handle.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Takes the signals over; early, so that one during start-up is not lost.
    ///
    /// # Errors
    /// When the operating system refuses.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_is_draining_as_well() {
        let shutdown = Shutdown::new();
        let seen_elsewhere = shutdown.clone();
        shutdown.drain();
        assert!(seen_elsewhere.is_draining() && !seen_elsewhere.stopping().is_cancelled());
        let shutdown = Shutdown::new();
        shutdown.stop();
        assert!(shutdown.is_draining() && shutdown.stopping().is_cancelled());
    }

    #[tokio::test]
    async fn following_signals_ends_with_the_second_stage() {
        let shutdown = Shutdown::new();
        let signals = Signals::install().unwrap();
        tokio::join!(shutdown.follow(signals), async { shutdown.stop() });
    }
}
