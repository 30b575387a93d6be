//! May this principal use this entry? One decision for calls, lists and completion.

use std::sync::Arc;

use crate::backends::Handle;
use crate::call::Principal;
use crate::catalogue::Entry;

/// The one decision about a principal and an entry of the catalogue.
///
/// There is no rule yet that could deny: everybody who passed the edge may use everything.
#[derive(Clone, Debug, Default)]
pub struct Gate {}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No, with the rule that says so and what would lift it.
    Deny(Arc<str>),
}

impl Gate {
    /// Whether `principal` may ask `backend`, at its own endpoint, for something that it did not list
    /// or that we have no name for.
    pub fn decide_unread(&self, _principal: &Principal, _backend: &Handle) -> Verdict {
        Verdict::Allow
    }

    /// Whether `principal` may use `entry`. No arguments are looked at.
    pub fn decide(&self, _principal: &Principal, _entry: &Entry) -> Verdict {
        Verdict::Allow
    }
}
