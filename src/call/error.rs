//! Why a call has no reply.

use std::sync::Arc;
use std::time::Duration;

use super::{Names, Outcome};
use crate::mcp::params::InvalidParams;

/// Why the call stack has no reply from a backend.
///
/// Each message says what failed and for whom; `crate::error` maps it to JSON-RPC.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No such tool is exposed to this caller.
    #[error("tool not found: {0}")]
    UnknownTool(Box<str>),
    /// No such prompt is exposed to this caller.
    #[error("prompt not found: {0}")]
    UnknownPrompt(Box<str>),
    /// No such resource is exposed to this caller.
    #[error("resource not found: {0}")]
    UnknownResource(Box<str>),
    /// A method that nobody behind this endpoint knows.
    #[error("method not found: {0}")]
    UnknownMethod(Box<str>),
    /// Parameters without a meaning.
    #[error("{0}")]
    InvalidParams(Arc<str>),
    /// The backend is not in a state to be called.
    #[error("backend {backend} is not available ({state}){}", reason(detail.as_ref()))]
    Unavailable {
        /// Its name.
        backend: Arc<str>,
        /// Its state.
        state: &'static str,
        /// What it failed with, if it did.
        detail: Option<Arc<str>>,
        /// When it is tried again.
        retry_after: Option<Duration>,
    },
    /// A connection to the backend could not be opened.
    #[error("cannot reach backend {backend}: {detail}")]
    Connect {
        /// Its name.
        backend: Arc<str>,
        /// What went wrong.
        detail: Arc<str>,
    },
    /// The connection ended before the response came; the call may have been processed.
    #[error("backend {backend} went away before it answered: {detail}")]
    ConnectionLost {
        /// Its name.
        backend: Arc<str>,
        /// How it ended.
        detail: Arc<str>,
    },
    /// The backend said something that is no answer.
    #[error("backend {backend} gave no valid answer: {detail}")]
    BadAnswer {
        /// Its name.
        backend: Arc<str>,
        /// What it said, shortened.
        detail: Arc<str>,
    },
    /// The backend has as many calls as it may have.
    #[error("backend {backend} already has {limit} calls in flight")]
    Busy {
        /// Its name.
        backend: Arc<str>,
        /// How many calls it may have at a time.
        limit: usize,
    },
    /// The backend has as many connections as it may have, and all are in use.
    #[error("backend {backend} already has {limit} connections, all in use; try again soon")]
    Full {
        /// Its name.
        backend: Arc<str>,
        /// How many connections it may have at a time.
        limit: usize,
    },
    /// The gateway keeps something for as many sessions as it may.
    #[error("the gateway already keeps streams or subscriptions for {0} sessions; try again soon")]
    TooManySessions(usize),
    /// A limit that the configuration sets on tools is reached.
    #[error(
        "tool {tool} of backend {backend}: {rule} allows {limit} for {whose}; try again in {} s",
        retry_seconds(*retry_after)
    )]
    Limited {
        /// Its exposed name.
        tool: Box<str>,
        /// Its backend's name.
        backend: Box<str>,
        /// Which rule it is, by its path in the configuration.
        rule: Box<str>,
        /// What it allows.
        limit: Box<str>,
        /// For whom.
        whose: &'static str,
        /// When there may be room again.
        retry_after: Duration,
    },
    /// Nothing came from the backend for too long.
    #[error("backend {backend} was silent for {} s", after.as_secs_f64())]
    Timeout {
        /// Its name.
        backend: Arc<str>,
        /// How long nothing came.
        after: Duration,
    },
    /// The backend keeps a connection for each session, and this one's is in another replica.
    #[error("this session lives in another replica, which alone can reach backend {backend}")]
    NotHome {
        /// Its name.
        backend: Arc<str>,
    },
    /// Refused by policy.
    #[error("{0}")]
    Denied(Arc<str>),
    /// The caller's proof was not granted for this.
    #[error("more scopes are needed: {}", required.iter().collect::<Vec<_>>().join(" "))]
    Scope {
        /// All that the call needs at once, those that the proof has included.
        required: Arc<Names>,
    },
    /// The client gave the call up.
    #[error("the call was cancelled")]
    Cancelled,
    /// A reply ended without a response, which no backend connection should let happen.
    #[error("the call ended without a response")]
    NoResponse,
    /// The proof of who makes the call does not hold any more.
    #[error(
        "the access token has expired; the call was cut off and may have been processed; call again \
         with a new one"
    )]
    Expired,
    /// The gateway stops, and the call took longer than the time to drain.
    #[error("the gateway is shutting down; the call was cut off and may have been processed")]
    Stopping,
}

/// As `Retry-After` and `retryAfter` say it: whole seconds, rounded up, one at least.
pub fn retry_seconds(after: Duration) -> u64 {
    let begun = u64::from(after.subsec_nanos() > 0);
    after.as_secs().saturating_add(begun).max(1)
}

fn reason(detail: Option<&Arc<str>>) -> String {
    detail.map(|detail| format!(": {detail}")).unwrap_or_default()
}

impl Error {
    /// How a call that ended with this error is counted.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout { .. } => Outcome::Timeout,
            Self::Busy { .. }
            | Self::Full { .. }
            | Self::TooManySessions(_)
            | Self::Limited { .. } => Outcome::Limited,
            Self::Denied(_) | Self::Scope { .. } => Outcome::Denied,
            Self::Cancelled | Self::Expired => Outcome::Cancelled,
            Self::UnknownTool(_)
            | Self::UnknownPrompt(_)
            | Self::UnknownResource(_)
            | Self::UnknownMethod(_)
            | Self::InvalidParams(_)
            | Self::Stopping
            | Self::NoResponse
            | Self::Unavailable { .. }
            | Self::NotHome { .. }
            | Self::Connect { .. }
            | Self::ConnectionLost { .. }
            | Self::BadAnswer { .. } => Outcome::Error,
        }
    }
}

impl From<InvalidParams> for Error {
    fn from(error: InvalidParams) -> Self {
        Self::InvalidParams(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_waits_as_long_as_it_is_told_does_not_come_too_early() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(retry_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }
}
