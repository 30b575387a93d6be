//! A new session after the backend has forgotten the one we had.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connection::Connection;
use super::session::Session;
use crate::backends::Unsolicited;
use crate::call;

/// How long a failure stands for those who wait for the same session.
const FAILURE_STANDS: Duration = Duration::from_secs(1);
/// How long a 400 that speaks of sessions is taken for what it says, after a new session did not
/// help against it.
const DISTRUST: Duration = Duration::from_secs(30);

/// What is known of renewals.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// Held by the one renewal under way.
    turn: Arc<tokio::sync::Mutex<Option<Failed>>>,
    useless: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    error: call::Error,
}

impl Renewals {
    /// Whether a new session recently did not help against a 400.
    pub(super) fn are_useless(&self) -> bool {
        self.useless.lock().is_some_and(|at| at.elapsed() < DISTRUST)
    }

    pub(super) fn note_useless(&self) {
        *self.useless.lock() = Some(Instant::now());
    }
}

impl Connection {
    /// Sees to it that the session `lost` is replaced: once, however many ask.
    ///
    /// # Cancel safety
    /// The renewal goes on when this is dropped: a session half made would be one too many.
    pub(super) async fn renew(self: &Arc<Self>, lost: u64) -> Result<(), call::Error> {
        let mut turn = Arc::clone(&self.renewals.turn).lock_owned().await;
        if self.session.load().generation != lost {
            return Ok(());
        }
        if self.closed.is_cancelled() {
            return Err(self.endpoint.lost("the connection was closed"));
        }
        if let Some(failed) = turn.as_ref().filter(|failed| failed.at.elapsed() < FAILURE_STANDS) {
            return Err(failed.error.clone());
        }
        let (done, renewed) = oneshot::channel();
        let connection = Arc::clone(self);
        self.background.spawn(async move {
            let result = connection.replace_session(lost).await;
            *turn = result.clone().err().map(|error| Failed { at: Instant::now(), error });
            drop(turn);
            let _ = done.send(result);
        });
        renewed.await.unwrap_or_else(|_| Err(self.endpoint.lost("its session was lost")))
    }

    /// Ends a session that should be forgotten already: who took a refusal for a loss of session
    /// must not leave one behind each time.
    fn end_later(self: &Arc<Self>, session: Arc<Session>) {
        let connection = Arc::clone(self);
        self.background.spawn(async move { connection.end(&session).await });
    }

    async fn replace_session(self: &Arc<Self>, lost: u64) -> Result<(), call::Error> {
        let backend = &self.endpoint.config.name;
        let ended = self.closed.child_token();
        let handshake = match self.endpoint.handshake(self.capabilities, lost + 1, ended).await {
            Ok(handshake) => handshake,
            Err(error) => {
                tracing::warn!(%backend, %error, "the session was lost and cannot be renewed");
                let detail = format!("its session was lost and cannot be renewed: {error}").into();
                return Err(call::Error::Connect { backend: Arc::clone(backend), detail });
            }
        };
        tracing::info!(%backend, "the server had forgotten our session; it has a new one");
        let session = Arc::new(handshake.session);
        let previous = self.session.swap(Arc::clone(&session));
        previous.ended.cancel();
        self.end_later(previous);
        for message in handshake.early {
            self.take_unsolicited(message);
        }
        self.listen(session);
        self.deliver(Unsolicited::Reinitialized);
        Ok(())
    }
}
