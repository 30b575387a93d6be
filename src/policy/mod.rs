//! May this principal use this entry? One decision for calls, lists and completion.

mod access;
mod blocks;
mod denylist;
mod rights;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::watch;

use crate::backends::Handle;
use crate::call::{Names, Principal};
use crate::catalogue::{Entry, Hints, Judge, Kind, Role, Source, Visibility};

pub use access::{Admin, Hidden, ScopeRule, Scopes};
use blocks::Blocks;
pub use blocks::{BlockedTool, MAX_BLOCKS, TooManyBlocks};
pub use denylist::{Block, Config, Rule};
use rights::{Class, Rights, What};

/// The one decision about a principal and an entry of the catalogue.
#[derive(Debug)]
pub struct Gate {
    changes_are_open: bool,
    /// None where nobody is asked who they are.
    rights: Option<Rights>,
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
    /// Not with so few scopes.
    Scope {
        /// All that are needed at once, those there are included.
        required: Arc<Names>,
    },
}

impl Gate {
    /// A gate with the default denylist; `changes_are_open` lets everybody use the tools that
    /// change the gateway.
    pub fn new(changes_are_open: bool) -> Self {
        Self {
            changes_are_open,
            rights: None,
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

    /// The same where callers have said who they are.
    #[must_use]
    pub fn with_rights(self, scopes: &Scopes, admin: &Admin) -> Self {
        Self { rights: Some(Rights::new(scopes, admin)), ..self }
    }

    /// Whether `principal` may ask `backend`, at its own endpoint, for something that it did not list
    /// or that we have no name for; `tool` is the tool that a call of one names.
    pub fn decide_unread(
        &self,
        principal: &Principal,
        backend: &Handle,
        tool: Option<&str>,
    ) -> Verdict {
        // Patterns cost more the longer a name is, and no server has such names.
        if tool.is_some_and(|tool| tool.len() > MAX_UNLISTED_NAME_BYTES) {
            let message = format!("the name of a tool has at most {MAX_UNLISTED_NAME_BYTES} bytes");
            return Verdict::Deny { reason: "name", message: message.into() };
        }
        let what = tool.map_or(What::Other, |tool| What::Tool(tool, Hints::WORST));
        self.judge_backend(self.class(principal), backend.name(), what)
    }

    /// Whether `principal` may use `entry`. No arguments are looked at.
    pub fn decide(&self, principal: &Principal, entry: &Entry) -> Verdict {
        self.judge(self.class(principal), entry)
    }

    /// The same where it is known already what rules apply to the principal.
    pub fn decide_under(&self, visibility: Visibility, entry: &Entry) -> Verdict {
        self.judge(visibility.class, entry)
    }

    /// Whether they to whom these rules apply may use `entry`: the same about many at once.
    pub fn allows(&self, visibility: Visibility, entry: &Entry) -> bool {
        self.decide_under(visibility, entry) == Verdict::Allow
    }

    /// Whether `principal` may do what changes the gateway, or tells of all of it; `what` says so in
    /// the refusal, as a sentence does that goes on.
    pub fn decide_admin(&self, principal: &Principal, what: &str) -> Verdict {
        self.judge_admin(self.class(principal), what)
    }

    /// Whether `principal` is told of everything, and not of what it may use alone.
    pub fn tells_all(&self, principal: &Principal) -> bool {
        self.rights.is_none() || Rights::is_admin(self.class(principal))
    }

    /// Whether `principal` may hear of a backend's tool that nobody may use: it could if others
    /// could.
    pub fn tells_of(&self, principal: &Principal, server: &str, tool: &str) -> bool {
        let what = What::Tool(tool, Hints::WORST);
        self.tells_all(principal) || self.lacking(self.class(principal), server, what).is_none()
    }

    fn class(&self, principal: &Principal) -> Class {
        self.rights.as_ref().map_or(0, |rights| rights.class(principal))
    }

    /// The one decision: who has equal rights may do the same, so that lists are made for all of
    /// them at once.
    fn judge(&self, class: Class, entry: &Entry) -> Verdict {
        match &entry.source {
            Source::Own { role: Role::Change, .. } => {
                self.judge_admin(class, &format!("{} changes the gateway", entry.exposed))
            }
            Source::Own { role: Role::Inspect, .. } if self.rights.is_some() => {
                self.judge_admin(class, &format!("{} tells of all the gateway", entry.exposed))
            }
            Source::Backend(backend) => {
                let what = match entry.kind {
                    Kind::Tool => What::Tool(&entry.original, entry.hints),
                    Kind::Prompt | Kind::Resource | Kind::ResourceTemplate => What::Other,
                };
                self.judge_backend(class, backend.name(), what)
            }
            Source::Own { .. } | Source::Spelling(_) => Verdict::Allow,
        }
    }

    fn judge_admin(&self, class: Class, what: &str) -> Verdict {
        let deny = |why: &str| Verdict::Deny {
            reason: "admin",
            message: format!("{what}, which is allowed only {why}").into(),
        };
        match &self.rights {
            None if self.changes_are_open => Verdict::Allow,
            None => deny(
                "where no stranger gets in: on loopback listeners that no proxy stands before \
                 (aggregator.publicUrl, trustedProxies, http.allowedHosts)",
            ),
            Some(_) if Rights::is_admin(class) => Verdict::Allow,
            Some(rights) => match rights.admin_scopes() {
                Some(required) => Verdict::Scope { required },
                None => deny("for whom auth.admin names: by a scope, a group or a token"),
            },
        }
    }

    fn judge_backend(&self, class: Class, backend: &str, what: What<'_>) -> Verdict {
        // What nobody may use is not worth asking for more scopes.
        if let What::Tool(tool, _) = what
            && let Some(block) = self.block_of(backend, tool)
        {
            let (reason, message) = (block.reason(), block.message(backend, tool).into());
            return Verdict::Deny { reason, message };
        }
        match self.lacking(class, backend, what) {
            None => Verdict::Allow,
            Some(required) => Verdict::Scope { required },
        }
    }

    /// The scopes that are needed, if there are not enough.
    fn lacking(&self, class: Class, backend: &str, what: What<'_>) -> Option<Arc<Names>> {
        let rights = self.rights.as_ref()?;
        Some(rights.names(rights.lacking(class, backend, what)?))
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

    fn changed(&self, has_changed: bool) {
        if has_changed {
            self.edition.send_modify(|edition| *edition += 1);
        }
    }
}

impl Judge for Gate {
    fn visibility(&self, principal: &Principal) -> Visibility {
        Visibility { class: self.class(principal), edition: *self.edition.borrow() }
    }

    fn shows(&self, visibility: Visibility, entry: &Entry) -> bool {
        match self.judge(visibility.class, entry) {
            Verdict::Allow => true,
            Verdict::Deny { .. } => false,
            Verdict::Scope { .. } => {
                self.rights.as_ref().is_some_and(Rights::shows_what_is_lacking)
            }
        }
    }

    fn knows(&self, Visibility { class, .. }: Visibility, backend: &Handle) -> bool {
        let is_listed = self.rights.as_ref().is_some_and(Rights::shows_what_is_lacking);
        is_listed
            || Rights::is_admin(class)
            || self.lacking(class, backend.name(), What::Other).is_none()
    }

    fn editions(&self) -> watch::Receiver<u64> {
        self.edition.subscribe()
    }
}
