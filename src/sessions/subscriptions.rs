//! Who subscribed to which resource on a connection that several clients share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backends::{Key, Updated};
use crate::call::SessionId;

/// How many resources one session may subscribe to.
const MAX_PER_SESSION: usize = 1000;

/// A resource of one backend, as one of its connections knows it.
type Subscribed = (Arc<str>, Key, Box<str>);

/// Subscriptions made on shared connections.
///
/// The backend sees one subscriber. The last session that leaves takes the subscription with it,
/// and only those that subscribed hear of an update.
#[derive(Debug, Default)]
pub struct Subscriptions(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Subscribed, HashSet<SessionId>>,
    counts: HashMap<SessionId, usize>,
}

impl Subscriptions {
    /// A session subscribes; false if it has too many already.
    pub fn add(&self, backend: &Arc<str>, key: Key, uri: &str, session: SessionId) -> bool {
        let mut inner = self.0.lock();
        if inner.counts.get(&session).is_some_and(|count| *count >= MAX_PER_SESSION) {
            return false;
        }
        let subscribed = (Arc::clone(backend), key, uri.into());
        if inner.sessions.entry(subscribed).or_default().insert(session) {
            *inner.counts.entry(session).or_default() += 1;
        }
        true
    }

    /// A session unsubscribes; whether nobody is left, so that the backend should hear of it.
    pub fn remove(&self, backend: &Arc<str>, key: Key, uri: &str, session: SessionId) -> bool {
        let mut inner = self.0.lock();
        let subscribed: Subscribed = (Arc::clone(backend), key, uri.into());
        let Some(sessions) = inner.sessions.get_mut(&subscribed) else { return true };
        let was_there = sessions.remove(&session);
        let is_last = sessions.is_empty();
        if is_last {
            inner.sessions.remove(&subscribed);
        }
        if was_there && let Some(count) = inner.counts.get_mut(&session) {
            *count -= 1;
        }
        is_last
    }

    /// A session ends.
    pub fn forget(&self, session: SessionId) {
        let mut inner = self.0.lock();
        if inner.counts.remove(&session).is_some() {
            inner.sessions.retain(|_, sessions| {
                sessions.remove(&session);
                !sessions.is_empty()
            });
        }
    }

    /// Who is to hear of an update; it may name a part of what was subscribed to.
    pub fn interested(&self, updated: &Updated) -> Vec<SessionId> {
        let inner = self.0.lock();
        let is_meant = |(backend, key, uri): &Subscribed| {
            *backend == updated.backend
                && *key == updated.connection
                && updated.uri.strip_prefix(&**uri).is_some_and(|rest| {
                    rest.is_empty() || uri.ends_with('/') || rest.starts_with(['/', '#', '?'])
                })
        };
        let meant = inner.sessions.iter().filter(|(subscribed, _)| is_meant(subscribed));
        let sessions: HashSet<_> = meant.flat_map(|(_, sessions)| sessions).copied().collect();
        sessions.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::backends::Owner;
    use crate::mcp::Capabilities;

    const KEY: Key = Key { owner: Owner::Shared, capabilities: Capabilities::NONE };
    const ONE: SessionId = SessionId::from_bytes([1; 16]);
    const TWO: SessionId = SessionId::from_bytes([2; 16]);

    fn updated(uri: &str) -> Updated {
        Updated {
            backend: "b".into(),
            connection: KEY,
            uri: uri.into(),
            message: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn only_subscribers_hear_of_an_update_and_the_last_one_ends_it() {
        let subscriptions = Subscriptions::default();
        let backend: Arc<str> = "b".into();
        for session in [ONE, TWO] {
            assert!(subscriptions.add(&backend, KEY, "demo://a", session));
        }
        assert_eq!(subscriptions.interested(&updated("demo://a")).len(), 2);
        assert_eq!(subscriptions.interested(&updated("demo://a/part")).len(), 2);
        assert!(subscriptions.interested(&updated("demo://ab")).is_empty());
        assert!(!subscriptions.remove(&backend, KEY, "demo://a", ONE));
        assert_eq!(subscriptions.interested(&updated("demo://a")), [TWO]);
        assert!(subscriptions.remove(&backend, KEY, "demo://a", TWO));
    }

    #[test]
    fn an_ended_session_leaves_nothing_behind_and_may_not_subscribe_without_bound() {
        let subscriptions = Subscriptions::default();
        let backend: Arc<str> = "b".into();
        for number in 0..MAX_PER_SESSION {
            assert!(subscriptions.add(&backend, KEY, &format!("demo://{number}"), ONE));
        }
        assert!(!subscriptions.add(&backend, KEY, "demo://more", ONE));
        subscriptions.forget(ONE);
        assert!(subscriptions.0.lock().sessions.is_empty());
        assert!(subscriptions.add(&backend, KEY, "demo://more", ONE));
    }
}
