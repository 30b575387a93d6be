//! Requests of a backend that somebody is answering.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::call::Aside;
use crate::mcp::{Message, RequestId, params};

/// The questions of one connection, so that the backend can withdraw them.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<HashMap<RequestId, Weak<Aside>>>);

impl Questions {
    /// The backend asks something; `report` sends it a notification and must not block.
    pub(super) fn ask(
        &self,
        id: RequestId,
        report: impl Fn(Bytes) + Send + Sync + 'static,
    ) -> Arc<Aside> {
        let aside = Aside::new(report);
        let mut open = self.0.lock();
        open.retain(|_, aside| aside.strong_count() > 0);
        open.insert(id, Arc::downgrade(&aside));
        aside
    }

    /// Whether somebody is answering one.
    pub(super) fn are_open(&self) -> bool {
        self.0.lock().values().any(|aside| aside.strong_count() > 0)
    }

    /// The backend's `notifications/cancelled`: nobody has to answer any more.
    pub(super) fn withdraw(&self, cancelled: &Message) {
        let Some(id) = params::cancelled_request(cancelled) else { return };
        let aside = self.0.lock().remove(&id).and_then(|aside| aside.upgrade());
        if let Some(aside) = aside {
            aside.withdraw();
        }
    }
}
