//! Tools that were blocked while the gateway runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// How many tools can be blocked; each is kept until it is unblocked or the gateway ends.
pub const MAX_BLOCKS: usize = 1000;

/// A backend's tool that nobody may use until somebody says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedTool {
    /// The backend.
    pub server: Arc<str>,
    /// What the backend calls it.
    pub tool: Arc<str>,
    /// What it was exposed as.
    pub exposed: Arc<str>,
}

/// There are as many as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MAX_BLOCKS} tools are blocked already, and that is the limit; unblock some, or use \
     denylist.block"
)]
pub struct TooManyBlocks;

/// All of them, by server and tool. Every call looks here, so that looking takes no lock.
#[derive(Debug, Default)]
pub(super) struct Blocks(ArcSwap<Vec<BlockedTool>>);

impl Blocks {
    pub(super) fn holds(&self, server: &str, tool: &str) -> bool {
        place(&self.0.load(), server, tool).is_ok()
    }

    pub(super) fn all(&self) -> Arc<Vec<BlockedTool>> {
        self.0.load_full()
    }

    /// Whether that is new.
    pub(super) fn add(&self, blocked: &BlockedTool) -> Result<bool, TooManyBlocks> {
        let mut added = Ok(false);
        self.0.rcu(|known| {
            let mut known = Vec::clone(known);
            added = match place(&known, &blocked.server, &blocked.tool) {
                Ok(_) => Ok(false),
                Err(_) if known.len() >= MAX_BLOCKS => Err(TooManyBlocks),
                Err(at) => {
                    known.insert(at, blocked.clone());
                    Ok(true)
                }
            };
            known
        });
        added
    }

    /// Whether it was there.
    pub(super) fn remove(&self, server: &str, tool: &str) -> bool {
        let mut removed = false;
        self.0.rcu(|known| {
            let mut known = Vec::clone(known);
            let at = place(&known, server, tool);
            removed = at.map(|at| known.remove(at)).is_ok();
            known
        });
        removed
    }
}

fn place(known: &[BlockedTool], server: &str, tool: &str) -> Result<usize, usize> {
    known.binary_search_by(|it| (&*it.server, &*it.tool).cmp(&(server, tool)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(server: &str, tool: &str) -> BlockedTool {
        BlockedTool { server: server.into(), tool: tool.into(), exposed: tool.into() }
    }

    #[test]
    fn a_tool_is_blocked_from_when_it_is_added_until_it_is_removed() {
        let blocks = Blocks::default();
        assert!(!blocks.holds("a", "one"));
        assert_eq!(blocks.add(&blocked("b", "one")), Ok(true));
        assert_eq!(blocks.add(&blocked("a", "two")), Ok(true));
        assert_eq!(blocks.add(&blocked("b", "one")), Ok(false), "it is there already");
        assert!(blocks.holds("b", "one") && blocks.holds("a", "two"));
        assert!(!blocks.holds("a", "one"), "another server's");
        assert!(blocks.remove("b", "one") && !blocks.remove("b", "one"));
        assert_eq!(*blocks.all(), [blocked("a", "two")]);
    }

    #[test]
    fn there_are_not_more_of_them_than_may_be() {
        let blocks = Blocks::default();
        for number in 0..MAX_BLOCKS {
            assert_eq!(blocks.add(&blocked("a", &number.to_string())), Ok(true));
        }
        assert_eq!(blocks.add(&blocked("a", "one more")), Err(TooManyBlocks));
        assert_eq!(blocks.add(&blocked("a", "0")), Ok(false));
        assert!(blocks.remove("a", "0"));
        assert_eq!(blocks.add(&blocked("a", "one more")), Ok(true));
    }
}
