//! Calls under way, so that a client can cancel them by their id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use foldhash::fast::RandomState;
use futures_util::task::AtomicWaker;

use super::shards::Shards;
use crate::call::SessionId;
use crate::mcp::RequestId;

/// A quick hash will do: only calls under way are in the map, which are limited, its seed is random,
/// and nothing that depends on it is ever shown.
type Calls = HashMap<(SessionId, RequestId), Arc<Flag>, RandomState>;

/// The calls of legacy clients that are under way.
#[derive(Default)]
pub struct Running(Shards<Calls>);

#[derive(Default)]
struct Flag {
    cancelled: AtomicBool,
    waker: AtomicWaker,
}

/// One call under way; it can be cancelled until this is dropped.
pub struct Claim {
    running: Arc<Running>,
    key: (SessionId, RequestId),
    flag: Arc<Flag>,
}

impl Running {
    /// A call begins.
    pub fn claim(self: &Arc<Self>, session: SessionId, id: RequestId) -> Claim {
        let flag = Arc::new(Flag::default());
        let key = (session, id);
        self.0.of(session).lock().insert(key.clone(), Arc::clone(&flag));
        Claim { running: Arc::clone(self), key, flag }
    }

    /// Cancels a call; whether it was under way.
    pub fn cancel(&self, session: SessionId, id: RequestId) -> bool {
        let Some(flag) = self.0.of(session).lock().remove(&(session, id)) else { return false };
        flag.cancel();
        true
    }

    /// Cancels all calls of a session.
    pub fn cancel_all(&self, session: SessionId) {
        let mut calls = self.0.of(session).lock();
        for (_, flag) in calls.extract_if(|(owner, _), _| *owner == session) {
            flag.cancel();
        }
    }
}

impl Flag {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Claim {
    /// Ready once the call has been cancelled.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.flag.waker.register(cx.waker());
        if self.flag.cancelled.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut calls = self.running.0.of(self.key.0).lock();
        // A client that used the id again owns the entry now.
        if let Some(flag) = calls.remove(&self.key)
            && !Arc::ptr_eq(&flag, &self.flag)
        {
            calls.insert(self.key.clone(), flag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> RequestId {
        RequestId::from(number)
    }

    #[tokio::test]
    async fn a_call_is_cancelled_by_its_own_session_only() {
        let running = Arc::new(Running::default());
        let (mine, other) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let claim = running.claim(mine, id(1));
        assert!(!running.cancel(other, id(1)));
        assert!(running.cancel(mine, id(1)));
        std::future::poll_fn(|cx| claim.poll_cancelled(cx)).await;
    }

    #[tokio::test]
    async fn a_session_that_ends_takes_its_calls_with_it_and_no_others() {
        let running = Arc::new(Running::default());
        let (mine, other) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([17; 16]));
        let claims = [running.claim(mine, id(1)), running.claim(mine, id(2))];
        let _others = running.claim(other, id(1));
        running.cancel_all(mine);
        for claim in &claims {
            std::future::poll_fn(|cx| claim.poll_cancelled(cx)).await;
        }
        assert!(running.cancel(other, id(1)), "it was under way still");
    }

    #[test]
    fn an_ended_call_leaves_nothing_behind() {
        let running = Arc::new(Running::default());
        let session = SessionId::from_bytes([1; 16]);
        drop(running.claim(session, id(1)));
        assert!(!running.cancel(session, id(1)));
    }

    #[test]
    fn an_id_used_again_stays_cancellable_when_the_first_call_ends() {
        let running = Arc::new(Running::default());
        let session = SessionId::from_bytes([1; 16]);
        let first = running.claim(session, id(1));
        let _second = running.claim(session, id(1));
        drop(first);
        assert!(running.cancel(session, id(1)));
    }
}
