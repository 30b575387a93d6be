//! What clients say without being asked, and their answers to what they were asked.

use super::{Mcp, Stack};
use crate::mcp::method::notification;
use crate::mcp::{Message, params};
use crate::sessions::{Place, Session};

impl<S: Stack> Mcp<S> {
    /// Acts on a notification; one that means nothing here is dropped and counted.
    pub(in crate::routes) fn notification(&self, session: &Session, message: &Message) {
        match message.method_name() {
            notification::INITIALIZED => {}
            notification::CANCELLED => {
                if let Some(id) = params::cancelled_request(message) {
                    self.shared.sessions.running().cancel(session.id, id);
                }
            }
            notification::ROOTS_CHANGED => {
                self.shared.registry.notify_session(session.id, message.raw());
            }
            notification::PROGRESS => {
                let state = self.shared.sessions.existing_state(session.id);
                if !state.is_some_and(|state| state.asked().progress(message)) {
                    dropped("unknown_progress_token");
                }
            }
            _ => dropped("unknown_notification"),
        }
    }

    /// Hands the client's answer to the backend that asked.
    pub(in crate::routes) fn response(&self, session: &Session, message: Message) {
        let state = match self.shared.sessions.place(session) {
            Place::Here => self.shared.sessions.existing_state(session.id),
            Place::There => None,
        };
        let taken = state.is_some_and(|state| state.asked().answer(state.home(), message));
        if !taken {
            dropped("unknown_answer");
        }
    }
}

/// Counts what a client said in vain.
pub(in crate::routes) fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}
