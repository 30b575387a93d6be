//! Asking an issuer about a token that says nothing by itself (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time;
use tracing::{debug, info, warn};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::failure::Failure;
use super::pace::SOON;
use super::state::State;
use super::{Introspected, Unavailable};
use crate::authn::{Introspection, Issuer};
use crate::outbound::{FetchError, Fetcher};

/// How many questions are open at one time; more wait. Anybody can make up tokens.
const MAX_OPEN: usize = 64;
/// How long a question may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks an issuer about tokens.
pub(super) struct Introspector {
    issuer: Arc<str>,
    endpoint: Option<Url>,
    authorization: HeaderValue,
    fetcher: Arc<Fetcher>,
    state: watch::Receiver<State>,
    turns: Semaphore,
    /// What went wrong when it was last told; one word.
    trouble: Mutex<Option<&'static str>>,
}

impl Introspector {
    /// Asks as `how` says; where its endpoint is may stand in `state`.
    pub(super) fn new(
        config: &Issuer,
        how: &Introspection,
        fetcher: Arc<Fetcher>,
        state: watch::Receiver<State>,
    ) -> Self {
        Self {
            issuer: Arc::clone(&config.issuer),
            endpoint: how.endpoint.clone(),
            authorization: basic(&how.client_id, how.client_secret.expose_secret()),
            fetcher,
            state,
            turns: Semaphore::new(MAX_OPEN),
            trouble: Mutex::default(),
        }
    }

    /// What the issuer says of `token`; `None` if that is not active.
    pub(super) async fn ask(&self, token: &[u8]) -> Result<Option<Introspected>, Unavailable> {
        let later = Unavailable { retry_after: SOON };
        let turn = time::timeout(PATIENCE, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(later) };
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discovered().await?,
        };
        let sent = self.fetcher.post_form(&endpoint, form(token), self.authorization.clone());
        let answer = sent.await;
        let answer = match answer {
            Ok(answer) => read(&answer, &endpoint),
            Err(error) => Err(Failure::Fetch { url: endpoint, error: Box::new(error) }),
        };
        self.tell(answer.as_ref().err());
        answer.map_err(|_| later)
    }

    /// The endpoint that the metadata names, after the first answer at the earliest.
    async fn discovered(&self) -> Result<Url, Unavailable> {
        let mut state = self.state.clone();
        // An error is the end of the gateway.
        let _ = state.wait_for(|it| !it.is_new()).await;
        let state = state.borrow();
        let now = time::Instant::now();
        // As long as there is no metadata, that is what is told.
        let known = state.known().ok_or_else(|| state.unavailable(now))?;
        known.introspection.clone().ok_or_else(|| {
            self.tell(Some(&Failure::NoIntrospection));
            Unavailable { retry_after: SOON }
        })
    }

    /// Says what went wrong, once until something else does or nothing.
    fn tell(&self, failure: Option<&Failure>) {
        let issuer = &self.issuer;
        let word = |it| if is_refused(it) { "refused" } else { it.word() };
        let word = failure.map(word);
        let before = std::mem::replace(&mut *self.trouble.lock(), word);
        let Some(failure) = failure else {
            if before.is_some() {
                info!(%issuer, "the issuer tells again which tokens are active");
            }
            return;
        };
        let (advice, failure_text) = (advice(failure), failure.chain());
        if before == word {
            debug!(%issuer, failure = failure_text, "the issuer does not tell yet which tokens are active");
        } else {
            warn!(%issuer, failure = failure_text, advice, "the issuer does not tell which tokens are active; they get 503");
        }
    }
}

fn advice(failure: &Failure) -> &'static str {
    if is_refused(failure) {
        "it does not accept clientId and clientSecret of introspection; correct them"
    } else {
        failure.advice()
    }
}

/// Whether the endpoint does not believe who we are (RFC 7662 §2.3).
fn is_refused(failure: &Failure) -> bool {
    let Failure::Fetch { error, .. } = failure else { return false };
    matches!(**error, FetchError::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
}

/// The question (RFC 7662 §2.1).
fn form(token: &[u8]) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", &String::from_utf8_lossy(token));
    form.append_pair("token_type_hint", "access_token").finish()
}

/// An answer that says whether the token is active, in a boolean (RFC 7662 §2.2); what it says of a
/// token that is not, is nothing.
fn read(answer: &[u8], endpoint: &Url) -> Result<Option<Introspected>, Failure> {
    let answer: Option<Introspected> = serde_json::from_slice(answer).ok();
    let is_active = answer.as_ref().and_then(|answer| answer.get("active"));
    match is_active.and_then(Value::as_bool) {
        Some(true) => Ok(answer),
        Some(false) => Ok(None),
        None => Err(Failure::Introspection { url: endpoint.clone() }),
    }
}

/// `client_secret_basic`: both are form-encoded first (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 is printable");
    value.set_sensitive(true);
    value
}

impl std::fmt::Debug for Introspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Introspector({})", self.issuer)
    }
}
