//! Which log messages a connection was asked for.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::json;
use tracing::debug;

use super::{Owner, Pooled};
use crate::mcp::LogLevel;
use crate::outbound;

/// How long a backend may take to hear of it.
const DEADLINE: Duration = Duration::from_secs(10);
/// The backend was told nothing yet, and sends what it thinks right.
const NEVER_TOLD: u8 = u8::MAX;

/// The level a connection was told last.
#[derive(Debug)]
pub(super) struct Told(AtomicU8);

impl Default for Told {
    fn default() -> Self {
        Self(AtomicU8::new(NEVER_TOLD))
    }
}

impl Told {
    /// The backend has forgotten everything: its session is a new one.
    pub(super) fn forget(&self) {
        self.0.store(NEVER_TOLD, Ordering::Relaxed);
    }

    /// Takes note of a wanted level; whether the backend has to hear of it.
    ///
    /// Where several clients share a connection the most talkative one wins, and each client's
    /// stream is filtered by its own level.
    fn wants(&self, level: LogLevel, is_shared: bool) -> bool {
        let level = level as u8;
        let told = self.0.load(Ordering::Relaxed);
        let differs = if is_shared { level < told } else { level != told };
        differs
            && self.0.compare_exchange(told, level, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Pooled {
    /// Sees to it that the backend sends log messages of this level (`logging/setLevel`).
    pub async fn want_level(&self, client: &outbound::Client, level: LogLevel) {
        let is_shared = !matches!(self.key().owner, Owner::Session(_));
        if !self.declared().logging || !self.told.wants(level, is_shared) {
            return;
        }
        let params = json!({ "level": level.as_str() });
        let request =
            self.connection.request(client, "logging/setLevel", Some(&params), DEADLINE).await;
        if let Err(error) = request {
            debug!(backend = %self.backend(), %error, "the backend did not hear of a log level");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_connection_is_as_talkative_as_its_most_curious_client() {
        let told = Told::default();
        assert!(told.wants(LogLevel::Warning, true));
        assert!(!told.wants(LogLevel::Error, true));
        assert!(told.wants(LogLevel::Debug, true));
        told.forget();
        assert!(told.wants(LogLevel::Error, true), "a new session starts from nothing");
    }

    #[test]
    fn a_connection_of_one_session_follows_it_both_ways() {
        let told = Told::default();
        assert!(told.wants(LogLevel::Debug, false));
        assert!(!told.wants(LogLevel::Debug, false));
        assert!(told.wants(LogLevel::Error, false));
    }
}
