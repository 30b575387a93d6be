//! What everybody holds of one backend.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use super::connection::Dialer;
use super::pool::MAX_CONNECTIONS;
use super::relay::Target;
use super::{BackendState, Bulkhead, Claim, Config, ConnectError, Context, Key, Pool};
use crate::call::{self, Error, Reply, Request};
use crate::outbound;

/// How long a backend may take to hear that nobody is subscribed any more.
const LEAVE: Duration = Duration::from_secs(10);

/// One configured backend, shared by everybody.
#[derive(Debug)]
pub struct Handle {
    config: Arc<Config>,
    state: watch::Sender<BackendState>,
    pool: Arc<Pool>,
    bulkhead: Bulkhead,
    supervisor: Key,
}

impl Handle {
    /// A backend that has not been started.
    pub fn new(config: Arc<Config>, context: Context) -> Arc<Self> {
        Self::with_dialer(config, context, Dialer::Transport)
    }

    pub(super) fn with_dialer(config: Arc<Config>, context: Context, dialer: Dialer) -> Arc<Self> {
        let handle = Self {
            state: watch::Sender::new(BackendState::Stopped),
            bulkhead: Bulkhead::new(config.max_in_flight.unwrap_or(context.max_in_flight)),
            supervisor: Key::of_supervisor(&config),
            pool: Pool::new(config.clone(), context, dialer, MAX_CONNECTIONS),
            config,
        };
        handle.count(&BackendState::Stopped, 1.0);
        Arc::new(handle)
    }

    /// The backend's name.
    pub fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    /// Its configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Its connections.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Where it is in its life.
    pub fn state(&self) -> BackendState {
        self.state.borrow().clone()
    }

    /// Hears when that changes.
    pub fn watch(&self) -> watch::Receiver<BackendState> {
        self.state.subscribe()
    }

    /// Says where it is in its life; only its supervisor does, or who ends that.
    pub fn publish(&self, state: BackendState) {
        self.count(&state, 1.0);
        let before = self.state.send_replace(state);
        if before.word(&self.config.transport) != self.word() {
            self.count(&before, 0.0);
        }
    }

    /// What people call its state.
    pub fn word(&self) -> &'static str {
        self.state.borrow().word(&self.config.transport)
    }

    /// The connection that the supervisor keeps.
    pub fn supervisor_key(&self) -> Key {
        self.supervisor
    }

    /// The connection that serves a client; see [`Key::of_client`].
    pub fn client_key(&self, client: &call::Client) -> Option<Key> {
        Key::of_client(&self.config, client.session, client.capabilities)
    }

    /// Relays a request of a client. The reply holds the client's place in the bulkhead and keeps
    /// the connection open.
    ///
    /// # Errors
    /// When the backend is not in a state to be called, is busy, or gives no answer.
    pub async fn call(
        &self,
        http: &outbound::Client,
        request: &Request,
        target: &Target,
        client: &call::Client,
    ) -> Result<Reply, Error> {
        if !matches!(*self.state.borrow(), BackendState::Running(_)) {
            return Err(self.unavailable());
        }
        let permit = self.bulkhead.enter().ok_or_else(|| Error::Busy {
            backend: self.name().clone(),
            limit: self.bulkhead.limit(),
        })?;
        let key = self.client_key(client).ok_or_else(|| {
            let name = self.name();
            Error::InvalidParams(format!("backend {name} can be used in a session only").into())
        })?;
        let claim = self.claim(key).await?;
        if let Some(level) = client.log_level {
            claim.want_level(http, level).await;
        }
        let mut reply = claim.connection.call(http, request, target).await?;
        reply.hold((claim, permit));
        Ok(reply)
    }

    /// Takes a subscription back that was made for clients which have gone.
    pub fn unsubscribe(&self, key: Key, uri: &str) {
        let Some(pooled) = self.pool.get(key) else { return };
        let Context { background, client, .. } = self.pool.context().clone();
        let params = serde_json::json!({ "uri": uri });
        background.spawn(async move {
            let method = "resources/unsubscribe";
            let request = pooled.connection.request(&client, method, Some(&params), LEAVE);
            if let Err(error) = request.await {
                debug!(backend = %pooled.backend(), %error, "a subscription was not taken back");
            }
        });
    }

    async fn claim(&self, key: Key) -> Result<Claim, Error> {
        if let Some(claim) = self.pool.claim(key) {
            return Ok(claim);
        }
        if key == self.supervisor {
            // Only the supervisor starts a shared child again.
            return Err(self.unavailable());
        }
        let opened = self.pool.claim_opened(key).await;
        opened.map_err(|error| match error {
            ConnectError::Full(limit) => Error::Full { backend: self.name().clone(), limit },
            error => {
                let detail = self.config.without_secrets(&error.to_string()).into();
                Error::Connect { backend: self.name().clone(), detail }
            }
        })
    }

    /// Why it cannot be called.
    pub fn unavailable(&self) -> Error {
        let state = self.state.borrow();
        let is_running = matches!(*state, BackendState::Running(_));
        Error::Unavailable {
            backend: self.name().clone(),
            // Its process is gone, and the supervisor is about to say so.
            state: if is_running { "failed" } else { state.word(&self.config.transport) },
            detail: state.error().cloned(),
            retry_after: None,
        }
    }

    fn count(&self, state: &BackendState, value: f64) {
        let backend = self.name().to_string();
        let word = state.word(&self.config.transport);
        metrics::gauge!("portcullis_backend_state", "backend" => backend, "state" => word)
            .set(value);
    }
}
