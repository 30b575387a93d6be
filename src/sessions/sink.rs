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
}
