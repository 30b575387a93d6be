//! Elicitations by URL that clients have been asked for: their end is announced outside of the call.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;

use crate::call::SessionId;
use crate::mcp::{Message, Method};

/// How many are remembered; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 10_000;

/// An elicitation as its backend names it.
type Elicitation = (Arc<str>, Box<str>);

/// Who was asked which elicitation by URL (MCP 2025-11-25, Elicitation, "Completion
/// Notifications").
#[derive(Debug, Default)]
pub(super) struct Elicited(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Elicitation, SessionId>,
    order: VecDeque<Elicitation>,
}

impl Elicited {
    /// Takes note of a request to a client, if it is one whose end will be announced.
    pub(super) fn asked(&self, backend: &Arc<str>, request: &Message, session: SessionId) {
        if request.method() != Method::Elicit {
            return;
        }
        let Some(id) = id_of(request) else { return };
        let elicitation = (Arc::clone(backend), id);
        let mut inner = self.0.lock();
        // The first who was asked stays the one: a backend may not use an id twice.
        if inner.sessions.contains_key(&elicitation) {
            return;
        }
        inner.sessions.insert(elicitation.clone(), session);
        inner.order.push_back(elicitation);
        if inner.order.len() > MAX_REMEMBERED
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.sessions.remove(&oldest);
        }
    }

    /// Who is to hear that an elicitation of this backend is done.
    pub(super) fn whose(&self, backend: &Arc<str>, done: &Message) -> Option<SessionId> {
        let elicitation = (Arc::clone(backend), id_of(done)?);
        self.0.lock().sessions.get(&elicitation).copied()
    }
}

fn id_of(message: &Message) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "elicitationId")]
        id: Box<str>,
    }
    let params: Params = serde_json::from_slice(message.params()?).ok()?;
    Some(params.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(method: &str, id: &str) -> Message {
        let params = format!(r#"{{"mode":"url","elicitationId":"{id}"}}"#);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Message::parse(text.into()).unwrap()
    }

    #[test]
    fn an_elicitation_belongs_to_whom_its_backend_asked_first() {
        let (one, two) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let (backend, other): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let elicited = Elicited::default();
        elicited.asked(&backend, &message("elicitation/create", "x"), one);
        elicited.asked(&backend, &message("elicitation/create", "x"), two);
        elicited.asked(&backend, &message("roots/list", "y"), one);
        let done = |backend, id| elicited.whose(backend, &message("any", id));
        assert_eq!(done(&backend, "x"), Some(one));
        assert_eq!(done(&other, "x"), None);
        assert_eq!(done(&backend, "y"), None);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let session = SessionId::from_bytes([1; 16]);
        let (backend, elicited): (Arc<str>, _) = ("a".into(), Elicited::default());
        for number in 0..=MAX_REMEMBERED {
            let request = message("elicitation/create", &number.to_string());
            elicited.asked(&backend, &request, session);
        }
        assert_eq!(elicited.whose(&backend, &message("any", "0")), None);
        assert_eq!(elicited.0.lock().sessions.len(), MAX_REMEMBERED);
    }
}
