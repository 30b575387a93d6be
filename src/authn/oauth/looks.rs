//! Looks at tokens that are under way, each shared by all who came with the token.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

use super::verdict::Verdict;
use super::verdicts::Key;

type Look = BoxFuture<'static, Verdict>;

/// Looks that are under way. Clones are the same.
///
/// The cache could share them too, and would panic for whoever sees 200 others leave that were
/// looking: any client can bring that about.
#[derive(Clone, Default)]
pub(super) struct Looks(Arc<Mutex<HashMap<Key, WeakShared<Look>>>>);

impl Looks {
    /// What somebody's look at `key` finds out, or `look` if there is none.
    ///
    /// # Cancel safety
    /// If whoever looks is dropped, the others who wait go on; it ends with the last of them.
    pub(super) async fn join(
        &self,
        key: Key,
        look: impl Future<Output = Verdict> + Send + 'static,
    ) -> Verdict {
        let look = {
            let mut looks = self.0.lock();
            let under_way = looks.get(&key).and_then(WeakShared::upgrade);
            // What has ended is in the cache, if it still holds.
            under_way.filter(|look| look.peek().is_none()).unwrap_or_else(|| {
                let look = look.boxed().shared();
                looks.insert(key, look.downgrade().expect("it has not ended before it began"));
                look
            })
        };
        Waiting { looks: self, key, look: Some(look) }.verdict().await
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Somebody who waits for a look. With the last one it is over.
struct Waiting<'l> {
    looks: &'l Looks,
    key: Key,
    look: Option<Shared<Look>>,
}

impl Waiting<'_> {
    async fn verdict(mut self) -> Verdict {
        self.look.as_mut().expect("it is there until this is dropped").await
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.look = None;
        let mut looks = self.looks.0.lock();
        if looks.get(&self.key).is_some_and(|look| look.upgrade().is_none()) {
            looks.remove(&self.key);
        }
    }
}
