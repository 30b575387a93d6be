//! Where a backend is in its life.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Offer, Transport};

/// Where a backend is in its life, as its supervisor publishes it.
#[derive(Clone, Debug)]
pub enum BackendState {
    /// Not started, or stopped on purpose: it offers nothing.
    Stopped,
    /// Started for the first time and not yet ready.
    Starting,
    /// It can be called.
    Running(Arc<Offer>),
    /// It could not be started, or went away.
    Failed {
        /// What happened.
        error: Arc<str>,
        /// When.
        since: Instant,
        /// What it offered until it crashed; shown, stale, for a while.
        last: Option<Arc<Offer>>,
    },
}

impl BackendState {
    /// What people call the state; a process runs, a remote server is connected.
    pub fn word(&self, transport: &Transport) -> &'static str {
        match (self, transport) {
            (Self::Stopped, _) => "stopped",
            (Self::Starting, _) => "starting",
            (Self::Running(_), Transport::Stdio(_)) => "running",
            (Self::Running(_), _) => "connected",
            (Self::Failed { .. }, _) => "failed",
        }
    }

    /// What it failed with.
    pub fn error(&self) -> Option<&Arc<str>> {
        match self {
            Self::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether it is on its way up for the first time.
    pub fn is_starting(&self) -> bool {
        matches!(self, Self::Starting)
    }

    /// What it offers now, if it can be called.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        match self {
            Self::Running(offer) => Some(offer),
            _ => None,
        }
    }
}
