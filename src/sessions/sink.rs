//! Messages of a session's own backend connections, on their way to its GET stream.

use std::sync::Arc;

use super::Sessions;
use super::relay::passes_level;
use crate::backends::{Key, Owner, SessionSink, Unsolicited};
use crate::call::SessionId;
use crate::mcp::Message;

impl SessionSink for Sessions {
    fn deliver(
        &self,
        session: SessionId,
        _backend: &Arc<str>,
        message: Unsolicited,
    ) -> Result<(), Unsolicited> {
        let Some(state) = self.existing_state(session) else { return Err(message) };
        match message {
            Unsolicited::Notification(notification) => {
                if !passes_level(&notification, state.level()) || state.notify(notification.raw()) {
                    return Ok(());
                }
                Err(Unsolicited::Notification(notification))
            }
            Unsolicited::Request(request, responder) => {
                match state.ask(request.raw().clone(), responder) {
                    Ok(()) => Ok(()),
                    Err((_, responder)) => Err(Unsolicited::Request(request, responder)),
                }
            }
            // The connection's lists are fetched anew; the client hears of what changed in them.
            Unsolicited::Reinitialized => Ok(()),
        }
    }

    fn elicited(&self, backend: &Arc<str>, done: &Message) -> bool {
        let session = self.elicited.whose(backend, done);
        let state = session.and_then(|session| self.existing_state(session));
        state.is_some_and(|state| state.notify(done.raw()))
    }

    fn expects(&self, backend: &Arc<str>, connection: Key) -> bool {
        let state = match connection.owner {
            Owner::Session(session) => self.existing_state(session),
            Owner::Shared | Owner::Gateway => None,
        };
        state.is_some_and(|state| state.is_listening())
            || self.subscriptions().are_on(backend, connection)
    }

    fn subscribed(&self, backend: &Arc<str>, connection: Key) -> Vec<Box<str>> {
        self.subscriptions().on(backend, connection)
    }

    fn has_ended(&self, session: SessionId) -> bool {
        self.deleted.contains(session)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backends::Isolation;
    use crate::backends::scripted::{Backend, config, context, context_with};
    use crate::call::{Endpoint, Principal};
    use crate::catalogue::{View, Visibility};
    use crate::mcp::{Capabilities, ProtocolVersion};
    use crate::sessions::{Keys, Session};

    #[tokio::test]
    async fn a_client_waits_on_a_connection_while_it_listens_or_is_subscribed() {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(1)).unwrap();
        let [one, two] = [1, 2].map(|it| SessionId::from_bytes([it; 16]));
        let capabilities = Capabilities::NONE;
        let key = |owner| Key { owner, capabilities };
        let (own, others, shared) =
            (key(Owner::Session(one)), key(Owner::Session(two)), key(Owner::Shared));
        let backend = Backend::new().handle(config("b", Isolation::Session), &context());
        let expects = || [own, others, shared].map(|key| sessions.expects(backend.name(), key));
        let state = sessions.state(one).unwrap();
        assert_eq!(expects(), [false; 3], "state alone is nothing to wait for");

        let view = View { session: Some(one), capabilities, visibility: Visibility::default() };
        let listening = state.listen(Endpoint::Aggregate, view);
        assert_eq!(expects(), [true, false, false]);
        drop(listening);
        assert_eq!(expects(), [false; 3]);

        for (subscribed, expected) in [
            (own, [true, false, false]),
            (others, [false, true, false]),
            (shared, [false, false, true]),
        ] {
            sessions.subscriptions().add(&backend, subscribed, "demo://a", one);
            assert_eq!(expects(), expected);
            assert!(!sessions.expects(&"other".into(), subscribed));
            sessions.subscriptions().remove(backend.name(), subscribed, "demo://a", one);
        }
        assert_eq!(expects(), [false; 3]);
    }

    #[tokio::test]
    async fn a_call_that_begins_while_its_session_is_deleted_opens_no_connection() {
        let sessions = Sessions::new(Keys::new(&[]).unwrap(), Duration::from_hours(1)).unwrap();
        let sessions = Arc::new(sessions);
        let (backend, context) = (Backend::new(), context_with(sessions.clone()));
        let handle = backend.handle(config("b", Isolation::Session), &context);
        let open = || {
            let (version, none) = (ProtocolVersion::V2025_11_25, Capabilities::NONE);
            sessions.open(&Principal::anonymous(), version, none).unwrap()
        };
        let (deleted, other) = (open(), open());
        let key =
            |it: &Session| Key { owner: Owner::Session(it.id), capabilities: Capabilities::NONE };
        sessions.delete(&deleted);
        handle.pool().evict_session(deleted.id);
        assert!(handle.pool().connection(key(&deleted)).await.is_err());
        assert_eq!(backend.connections().len(), 0);
        assert!(handle.pool().connection(key(&other)).await.is_ok());
    }
}
