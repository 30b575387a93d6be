//! Background tasks that carry news from one module to another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time;

use crate::backends::Updated;
use crate::call::Endpoint;
use crate::catalogue::{Catalogue, Kinds, View};
use crate::sessions::Sessions;
use crate::supervise::Registry;

/// How long a start-up may take before `/ready` says yes all the same.
const READY_AFTER: Duration = Duration::from_secs(2);

/// Tells clients whose lists changed.
pub(super) async fn list_changes(catalogue: Arc<Catalogue>, sessions: Arc<Sessions>) {
    let mut changes = catalogue.changes();
    loop {
        match changes.recv().await {
            Ok(change) => {
                tell(change.kinds, &sessions, |at, view| catalogue.tells(&change, at, view));
            }
            // Some were missed: then everybody hears of everything.
            Err(RecvError::Lagged(_)) => {
                let everything = Kinds { tools: true, prompts: true, resources: true };
                tell(everything, &sessions, |_, _| true);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn tell(kinds: Kinds, sessions: &Sessions, is_for: impl Fn(&Endpoint, &View) -> bool) {
    for method in kinds.notifications() {
        let message = Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
        sessions.broadcast(&message, &is_for);
    }
}

/// Tells subscribers which resources were updated.
pub(super) async fn updates(mut updates: broadcast::Receiver<Updated>, sessions: Arc<Sessions>) {
    loop {
        match updates.recv().await {
            Ok(update) => {
                for session in sessions.subscriptions().interested(&update) {
                    if let Some(state) = sessions.existing_state(session) {
                        state.notify(&update.message);
                    }
                }
            }
            Err(RecvError::Lagged(missed)) => {
                metrics::counter!("portcullis_dropped_total", "reason" => "slow_subscriber")
                    .increment(missed);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Says when the gateway is ready: every backend that starts with it has answered or failed once.
pub(super) async fn readiness(registry: Arc<Registry>, ready: watch::Sender<bool>) {
    let _ = time::timeout(READY_AFTER, registry.ready()).await;
    ready.send_replace(true);
}
