//! May this principal use this entry? One decision for calls, lists and completion.

use std::sync::Arc;

use tokio::sync::watch;

use crate::backends::Handle;
use crate::call::Principal;
use crate::catalogue::{Entry, Judge, Role, Source, Visibility};

/// The one decision about a principal and an entry of the catalogue.
#[derive(Debug)]
pub struct Gate {
    changes_are_open: bool,
    /// How often the rules have changed.
    edition: watch::Sender<u64>,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny {
        /// The kind of rule, for metrics.
        reason: &'static str,
        /// The rule that says so and what would lift it.
        message: Arc<str>,
    },
}

impl Gate {
    /// A gate; `changes_are_open` lets everybody use the tools that change the gateway.
    pub fn new(changes_are_open: bool) -> Self {
        Self { changes_are_open, edition: watch::Sender::new(0) }
    }

    /// Whether `principal` may ask `backend`, at its own endpoint, for something that it did not list
    /// or that we have no name for.
    pub fn decide_unread(&self, _principal: &Principal, _backend: &Handle) -> Verdict {
        Verdict::Allow
    }

    /// Whether `principal` may use `entry`. No arguments are looked at.
    pub fn decide(&self, _principal: &Principal, entry: &Entry) -> Verdict {
        match &entry.source {
            Source::Own { role: Role::Change, .. } if !self.changes_are_open => Verdict::Deny {
                reason: "admin",
                message: format!(
                    "{} changes the gateway, which is allowed on loopback listeners only",
                    entry.exposed
                )
                .into(),
            },
            Source::Own { .. } | Source::Spelling(_) | Source::Backend(_) => Verdict::Allow,
        }
    }
}

impl Judge for Gate {
    fn visibility(&self, _principal: &Principal) -> Visibility {
        Visibility { class: 0, edition: *self.edition.borrow() }
    }

    fn shows(&self, _visibility: Visibility, entry: &Entry) -> bool {
        self.decide(&Principal::anonymous(), entry) == Verdict::Allow
    }

    fn editions(&self) -> watch::Receiver<u64> {
        self.edition.subscribe()
    }
}
