//! Who subscribed to which resource on which connection.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backends::{Handle, Key, Updated};
use crate::call::SessionId;

/// How many resources one session may subscribe to.
const MAX_PER_SESSION: usize = 1000;

/// A resource of one backend, as one of its connections knows it.
type Subscribed = (Arc<str>, Key, Box<str>);

/// Subscriptions, as connections to backends know them.
///
/// Where several clients share a connection, the backend sees one subscriber. The last session that leaves takes the subscription with it,
/// and only those that subscribed hear of an update.
#[derive(Debug, Default)]
pub struct Subscriptions(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    subscribers: HashMap<Subscribed, Subscribers>,
    counts: HashMap<SessionId, usize>,
}

#[derive(Debug)]
struct Subscribers {
    backend: Arc<Handle>,
    sessions: HashSet<SessionId>,
}

/// What came of a wish to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// The session had it already.
    Known,
    /// The session has too many.
    TooMany,
}

impl Subscriptions {
    /// A session subscribes.
    pub fn add(&self, backend: &Arc<Handle>, key: Key, uri: &str, session: SessionId) -> Added {
        let mut inner = self.0.lock();
        let Inner { subscribers, counts } = &mut *inner;
        let subscribed: Subscribed = (Arc::clone(backend.name()), key, uri.into());
        if subscribers.get(&subscribed).is_some_and(|it| it.sessions.contains(&session)) {
            return Added::Known;
        }
        let count = counts.entry(session).or_default();
        if *count >= MAX_PER_SESSION {
            return Added::TooMany;
        }
        *count += 1;
        let empty = || Subscribers { backend: Arc::clone(backend), sessions: HashSet::new() };
        subscribers.entry(subscribed).or_insert_with(empty).sessions.insert(session);
        Added::New
    }

    /// A session unsubscribes; whether nobody is left, so that the backend should hear of it.
    pub fn remove(&self, backend: &Arc<str>, key: Key, uri: &str, session: SessionId) -> bool {
        let mut inner = self.0.lock();
        let subscribed: Subscribed = (Arc::clone(backend), key, uri.into());
        let Some(subscribers) = inner.subscribers.get_mut(&subscribed) else { return true };
        let was_there = subscribers.sessions.remove(&session);
        let is_last = subscribers.sessions.is_empty();
        if is_last {
            inner.subscribers.remove(&subscribed);
        }
        if was_there && let Some(count) = inner.counts.get_mut(&session) {
            *count -= 1;
            if *count == 0 {
                inner.counts.remove(&session);
            }
        }
        is_last
    }

    /// A session ends: backends hear of what nobody is subscribed to any more.
    pub fn forget(&self, session: SessionId) {
        let mut inner = self.0.lock();
        if inner.counts.remove(&session).is_none() {
            return;
        }
        let left: Vec<_> = inner
            .subscribers
            .extract_if(|_, it| it.sessions.remove(&session) && it.sessions.is_empty())
            .collect();
        drop(inner);
        for ((_, key, uri), Subscribers { backend, .. }) in left {
            backend.unsubscribe(key, &uri);
        }
    }

    /// What anybody is subscribed to on a connection.
    pub fn on(&self, backend: &Arc<str>, connection: Key) -> Vec<Box<str>> {
        let inner = self.0.lock();
        let subscribed = inner.subscribers.keys();
        let here = subscribed.filter(|(name, key, _)| name == backend && *key == connection);
        here.map(|(_, _, uri)| uri.clone()).collect()
    }

    /// Whether anybody is subscribed to anything on a connection.
    pub fn are_on(&self, backend: &Arc<str>, connection: Key) -> bool {
        let inner = self.0.lock();
        inner.subscribers.keys().any(|(name, key, _)| name == backend && *key == connection)
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
        let meant = inner.subscribers.iter().filter(|(subscribed, _)| is_meant(subscribed));
        let sessions: HashSet<_> = meant.flat_map(|(_, it)| &it.sessions).copied().collect();
        sessions.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::backends::scripted::{Backend, config, context};
    use crate::backends::{Isolation, Owner};
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

    #[tokio::test]
    async fn only_subscribers_hear_of_an_update_and_the_last_one_ends_it() {
        let subscriptions = Subscriptions::default();
        let backend = Backend::new().handle(config("b", Isolation::Shared), &context());
        for session in [ONE, TWO] {
            assert_eq!(subscriptions.add(&backend, KEY, "demo://a", session), Added::New);
        }
        assert_eq!(subscriptions.add(&backend, KEY, "demo://a", ONE), Added::Known);
        assert_eq!(subscriptions.interested(&updated("demo://a")).len(), 2);
        assert_eq!(subscriptions.interested(&updated("demo://a/part")).len(), 2);
        assert!(subscriptions.interested(&updated("demo://ab")).is_empty());
        assert!(!subscriptions.remove(backend.name(), KEY, "demo://a", ONE));
        assert_eq!(subscriptions.interested(&updated("demo://a")), [TWO]);
        assert!(subscriptions.remove(backend.name(), KEY, "demo://a", TWO));
        assert!(subscriptions.0.lock().counts.is_empty());
    }

    #[tokio::test]
    async fn an_ended_session_leaves_nothing_behind_and_may_not_subscribe_without_bound() {
        let subscriptions = Subscriptions::default();
        let backend = Backend::new().handle(config("b", Isolation::Shared), &context());
        for number in 0..MAX_PER_SESSION {
            let uri = format!("demo://{number}");
            assert_eq!(subscriptions.add(&backend, KEY, &uri, ONE), Added::New);
        }
        assert_eq!(subscriptions.add(&backend, KEY, "demo://more", ONE), Added::TooMany);
        subscriptions.forget(ONE);
        assert!(subscriptions.0.lock().subscribers.is_empty());
        assert_eq!(subscriptions.add(&backend, KEY, "demo://more", ONE), Added::New);
    }

    #[tokio::test]
    async fn a_backend_hears_when_the_last_subscriber_has_gone() {
        let subscriptions = Subscriptions::default();
        let (backend, context) = (Backend::new(), context());
        let handle = backend.handle(config("b", Isolation::Shared), &context);
        handle.pool().connection(KEY).await.unwrap();
        for session in [ONE, TWO] {
            subscriptions.add(&handle, KEY, "demo://a", session);
        }
        let unsubscribed = || backend.requested().iter().filter(|it| is_unsubscribe(it)).count();
        subscriptions.forget(ONE);
        assert_eq!(unsubscribed(), 0);
        subscriptions.forget(TWO);
        handle.pool().close_all().await;
        context.background.tasks.close();
        context.background.tasks.wait().await;
        assert_eq!(unsubscribed(), 1);
    }

    fn is_unsubscribe(request: &str) -> bool {
        request == r#"resources/unsubscribe {"uri":"demo://a"}"#
    }
}
