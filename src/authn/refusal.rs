//! Why nobody gets in with this.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Names, retry_seconds};

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no proof at all: 401 without an error (RFC 6750 §3.1).
    #[error("authentication is needed: {0}")]
    Missing(&'static str),
    /// What should be a proof cannot be one: 400 `invalid_request`.
    #[error("the request cannot be authenticated: {0}")]
    Malformed(&'static str),
    /// It comes from nobody that is known, in a mode where no token helps: 403.
    #[error("nobody knows who sends the request: {0}")]
    Unidentified(&'static str),
    /// The proof does not hold: 401 `invalid_token`.
    #[error("the access token is not valid: {0}")]
    Invalid(Fault),
    /// Nobody can tell whether it holds: 503.
    #[error(
        "the access token cannot be checked: {issuer} does not answer; try again in {} s",
        retry_seconds(*retry_after)
    )]
    Unavailable {
        /// The issuer, as it is configured.
        issuer: Arc<str>,
        /// When it is asked again.
        retry_after: Duration,
    },
    /// The proof was not granted for this: 403 `insufficient_scope`.
    #[error("the access token has not all scopes that are needed: {}", listed(required))]
    Scope {
        /// All that are needed, those it has included.
        required: Arc<Names>,
    },
}

/// What is wrong with a proof. It repeats nothing that came with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// One word for logs and metrics: `expired`, `audience`.
    pub reason: &'static str,
    /// What is wrong and what would be right, in printable ASCII without quotation marks (RFC 6750
    /// §3: `error_description`).
    pub message: &'static str,
    /// The issuer, if it is one of ours.
    pub issuer: Option<Arc<str>>,
}

impl Fault {
    /// A fault that is not known to be of any issuer.
    pub const fn new(reason: &'static str, message: &'static str) -> Self {
        Self { reason, message, issuer: None }
    }

    /// The same, of a token that says to be from one of ours.
    #[must_use]
    pub fn of(self, issuer: &Arc<str>) -> Self {
        Self { issuer: Some(Arc::clone(issuer)), ..self }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message)
    }
}

impl Refusal {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Malformed(_) => "malformed",
            Self::Unidentified(_) => "unidentified",
            Self::Invalid(fault) => fault.reason,
            Self::Unavailable { .. } => "unavailable",
            Self::Scope { .. } => "scope",
        }
    }

    /// The configured issuer that it is about, if any.
    pub fn issuer(&self) -> Option<&Arc<str>> {
        match self {
            Self::Invalid(fault) => fault.issuer.as_ref(),
            Self::Unavailable { issuer, .. } => Some(issuer),
            Self::Missing(_) | Self::Malformed(_) | Self::Unidentified(_) | Self::Scope { .. } => {
                None
            }
        }
    }

    /// Whether it was an attempt with a wrong proof. Who has none asks only how to get one, and an
    /// issuer's failure is nobody's fault here.
    pub fn is_attempt(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Invalid(_))
    }
}

/// Scopes as they are written in one parameter (RFC 6749 §3.3).
pub(super) fn listed(scopes: &Names) -> String {
    scopes.iter().collect::<Vec<_>>().join(" ")
}
