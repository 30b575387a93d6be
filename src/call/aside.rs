//! What is said about a backend's request beside its answer.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Joins the connection that a question came on and the session that was asked.
///
/// The client may report progress while it works on the answer; the backend may give the question
/// up (MCP 2025-11-25, "Progress" and "Cancellation": both directions).
pub struct Aside {
    report: Box<dyn Fn(Bytes) + Send + Sync>,
    withdrawal: Mutex<Withdrawal>,
}

enum Withdrawal {
    /// Nobody has given the question up; whom to tell if the backend does.
    Open(Option<Box<dyn FnOnce() + Send>>),
    Withdrawn,
}

impl Aside {
    /// `report` sends the backend a notification, and must not block.
    pub fn new(report: impl Fn(Bytes) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { report: Box::new(report), withdrawal: Mutex::new(Withdrawal::Open(None)) })
    }

    /// The client says how far it is.
    pub fn report(&self, notification: Bytes) {
        (self.report)(notification);
    }

    /// The backend has no more use for the answer.
    pub fn withdraw(&self) {
        let before = std::mem::replace(&mut *self.withdrawal.lock(), Withdrawal::Withdrawn);
        if let Withdrawal::Open(Some(tell)) = before {
            tell();
        }
    }

    /// Calls `tell` once, when the backend withdraws its question, which may be now.
    pub fn on_withdrawn(&self, tell: impl FnOnce() + Send + 'static) {
        let mut withdrawal = self.withdrawal.lock();
        if let Withdrawal::Open(whom) = &mut *withdrawal {
            *whom = Some(Box::new(tell));
        } else {
            drop(withdrawal);
            tell();
        }
    }
}

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aside")
    }
}
