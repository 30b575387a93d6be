//! A list waits a little for what would be missing in it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::{Catalogue, Member, View};
use crate::backends::{Key, Listing};
use crate::call::Endpoint;

/// How many connections are remembered that did not come in time.
const MAX_LATE: usize = 4096;
/// For how long.
const LATE_MEMORY: Duration = Duration::from_mins(10);

/// Connections whose offer somebody waits for, or waited for in vain.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<HashMap<(usize, Key), Wait>>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Option<Instant>,
    /// A list went out without it.
    in_vain: bool,
}

impl Late {
    /// When waiting began. Lists after the first do not wait from the beginning again, or a
    /// backend that hangs would slow down every one of them.
    fn since(&self, at: usize, key: Key) -> Instant {
        let mut waits = self.0.lock();
        if waits.len() >= MAX_LATE {
            waits.retain(|_, wait| wait.since.is_some_and(|it| it.elapsed() < LATE_MEMORY));
            // To forget all costs those who ask again one more wait, and bounds the rest.
            if waits.len() >= MAX_LATE {
                waits.clear();
            }
        }
        let wait = waits.entry((at, key)).or_insert(Wait { since: None, in_vain: false });
        *wait.since.get_or_insert_with(Instant::now)
    }

    /// The opening has failed: the next one is worth waiting for again.
    fn failed(&self, at: usize, key: Key) {
        if let Some(wait) = self.0.lock().get_mut(&(at, key)) {
            wait.since = None;
        }
    }

    fn in_vain(&self, at: usize, key: Key) {
        if let Some(wait) = self.0.lock().get_mut(&(at, key)) {
            wait.in_vain = true;
        }
    }

    /// Takes note that the offer has come; whether a list went out without it.
    pub(super) fn came(&self, at: usize, key: Key) -> bool {
        self.0.lock().remove(&(at, key)).is_some_and(|wait| wait.in_vain)
    }
}

impl Catalogue {
    /// Waits for backends in their first start and for connections of this client's own, all at
    /// once, at most `catalogue.firstListWait`.
    pub(super) async fn settle(&self, endpoint: &Endpoint, view: &View) {
        let missing = self
            .members_at(endpoint)
            .filter(|(_, it)| !it.offered(self.config(), view).is_last_word);
        let missing: Vec<_> = missing.map(|(at, it)| self.settle_one(at, it, view)).collect();
        if !missing.is_empty() {
            future::join_all(missing).await;
        }
    }

    async fn settle_one(&self, at: usize, member: &Member, view: &View) {
        let wait = self.config().first_list_wait;
        let deadline = Instant::now() + wait;
        let mut state = member.handle.watch();
        let backend = &**member.handle.name();
        let started = state.wait_for(|state| !state.is_starting());
        match timeout_at(deadline, started).await {
            Err(_) => return info!(backend, ?wait, "a list went out before the backend started"),
            Ok(Err(_)) => return,
            Ok(Ok(state)) if state.offer().is_none() => return,
            Ok(Ok(_)) => {}
        }
        let Some(key) = view.overlay_key(&member.handle) else { return };
        let deadline = deadline.min(self.late().since(at, key) + wait);
        let listed = timeout_at(deadline, listed(member, key)).await;
        if listed == Ok(false) {
            self.late().failed(at, key);
        }
        if member.overlay(key).is_none() {
            info!(backend, ?wait, "a list shows what the backend offers to others");
            self.late().in_vain(at, key);
        }
    }
}

/// Opens the connection and waits until it has been listed. Both go on if nobody waits any more.
async fn listed(member: &Member, key: Key) -> bool {
    let Ok(pooled) = member.handle.pool().connection(key).await else { return false };
    let mut listing = pooled.listing();
    let listed = listing.wait_for(|listing| !matches!(listing, Listing::Pending)).await;
    listed.is_ok_and(|listing| listing.offer().is_some())
}
