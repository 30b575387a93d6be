//! May this principal use this entry? One decision for calls, lists and completion.

mod access;
mod blocks;
mod denylist;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::watch;

use crate::backends::Handle;
use crate::call::Principal;
use crate::catalogue::{Entry, Judge, Kind, Role, Source, Visibility};

pub use access::{Admin, Hidden, Hint, ScopeRule, Scopes};
use blocks::Blocks;
pub use blocks::{BlockedTool, MAX_BLOCKS, TooManyBlocks};
pub use denylist::{Block, Config, Rule};

/// The one decision about a principal and an entry of the catalogue.
#[derive(Debug)]
pub struct Gate {
    changes_are_open: bool,
    denylist: Config,
    blocks: Blocks,
    /// How often the rules have changed.
    edition: watch::Sender<u64>,
}

/// How long the name of a tool may be that its server did not list.
const MAX_UNLISTED_NAME_BYTES: usize = 1024;

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
    /// A gate with the default denylist; `changes_are_open` lets everybody use the tools that
    /// change the gateway.
    pub fn new(changes_are_open: bool) -> Self {
        Self {
            changes_are_open,
            denylist: Config::default(),
            blocks: Blocks::default(),
            edition: watch::Sender::new(0),
        }
    }

    /// The same with another denylist.
    #[must_use]
    pub fn with_denylist(self, denylist: Config) -> Self {
        Self { denylist, ..self }
    }

    /// Whether `principal` may ask `backend`, at its own endpoint, for something that it did not list
    /// or that we have no name for; `tool` is the tool that a call of one names.
    pub fn decide_unread(
        &self,
        _principal: &Principal,
        backend: &Handle,
        tool: Option<&str>,
    ) -> Verdict {
        match tool {
            None => Verdict::Allow,
            // Patterns cost more the longer a name is, and no server has such names.
            Some(tool) if tool.len() > MAX_UNLISTED_NAME_BYTES => Verdict::Deny {
                reason: "name",
                message: format!("the name of a tool has at most {MAX_UNLISTED_NAME_BYTES} bytes")
                    .into(),
            },
            Some(tool) => self.decide_tool(backend.name(), tool),
        }
    }

    /// Whether `principal` may use `entry`. No arguments are looked at.
    pub fn decide(&self, _principal: &Principal, entry: &Entry) -> Verdict {
        match &entry.source {
            Source::Own { role: Role::Change, .. } if !self.changes_are_open => Verdict::Deny {
                reason: "admin",
                message: format!(
                    "{} changes the gateway, which is allowed only where no stranger gets in: on \
                     loopback listeners that no proxy stands before (aggregator.publicUrl, \
                     trustedProxies, http.allowedHosts)",
                    entry.exposed
                )
                .into(),
            },
            Source::Backend(backend) if entry.kind == Kind::Tool => {
                self.decide_tool(backend.name(), &entry.original)
            }
            Source::Own { .. } | Source::Spelling(_) | Source::Backend(_) => Verdict::Allow,
        }
    }

    /// Why nobody may use a backend's tool, by the name the backend gives it.
    pub fn block_of(&self, server: &str, tool: &str) -> Option<Block<'_>> {
        let at_runtime = || self.blocks.holds(server, tool).then_some(Block::Runtime);
        match self.denylist.rule(server, tool) {
            // What no configuration allows is more to know than what a restart would lift.
            Some(rule @ Block::Rule(..)) => Some(rule),
            rule => at_runtime().or(rule),
        }
    }

    /// Blocks a tool from now on until the gateway ends; whether it was not blocked so before.
    ///
    /// # Errors
    /// When too many are.
    pub fn block(&self, tool: &BlockedTool) -> Result<bool, TooManyBlocks> {
        let is_new = self.blocks.add(tool)?;
        self.changed(is_new);
        Ok(is_new)
    }

    /// Lifts what [`Self::block`] did; whether that was there.
    pub fn unblock(&self, server: &str, tool: &str) -> bool {
        let was_there = self.blocks.remove(server, tool);
        self.changed(was_there);
        was_there
    }

    /// The tools that were blocked so, by server and tool.
    pub fn blocked_at_runtime(&self) -> Arc<Vec<BlockedTool>> {
        self.blocks.all()
    }

    fn decide_tool(&self, server: &str, tool: &str) -> Verdict {
        match self.block_of(server, tool) {
            None => Verdict::Allow,
            Some(block) => Verdict::Deny {
                reason: block.reason(),
                message: block.message(server, tool).into(),
            },
        }
    }

    fn changed(&self, has_changed: bool) {
        if has_changed {
            self.edition.send_modify(|edition| *edition += 1);
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
