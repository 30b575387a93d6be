//! What is counted and timed at the edge and for calls: one function per event.
//!
//! Other modules count their own events under the names that [`super::exposition`] describes.
//!
//! Labels take few values each: names from the configuration and the catalogue, and words of ours.
//! Handles are kept per thread, so that an event costs a look-up and an atomic addition.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};
use std::thread::LocalKey;
use std::time::Duration;

use foldhash::fast::RandomState;
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::call::Outcome;
use crate::mcp::Method;

/// Names of metrics.
pub(super) mod name {
    pub(in crate::observe) const HTTP_REQUESTS: &str = "portcullis_http_requests_total";
    pub(in crate::observe) const HTTP_REQUEST_DURATION: &str =
        "portcullis_http_request_duration_seconds";
    pub(in crate::observe) const CALLS: &str = "portcullis_calls_total";
    pub(in crate::observe) const CALL_DURATION: &str = "portcullis_call_duration_seconds";
    pub(in crate::observe) const BACKEND_STATE: &str = "portcullis_backend_state";
    pub(in crate::observe) const SESSIONS_OPENED: &str = "portcullis_sessions_opened_total";
    pub(in crate::observe) const STREAMS_OPEN: &str = "portcullis_streams_open";
    pub(in crate::observe) const POOL_CONNECTIONS: &str = "portcullis_pool_connections";
    pub(in crate::observe) const BACKEND_CONNECTIONS: &str = "portcullis_backend_connections";
    pub(in crate::observe) const BACKEND_EVICTIONS: &str = "portcullis_backend_evictions_total";
    pub(in crate::observe) const COLLISIONS: &str = "portcullis_catalogue_collisions";
    pub(in crate::observe) const RATE_LIMITED: &str = "portcullis_rate_limited_total";
    pub(in crate::observe) const AUTHN: &str = "portcullis_authn_total";
    pub(in crate::observe) const AUTHN_CACHE: &str = "portcullis_authn_cache_total";
    pub(in crate::observe) const DENIED: &str = "portcullis_denied_total";
    pub(in crate::observe) const DROPPED: &str = "portcullis_dropped_total";
    pub(in crate::observe) const CERTIFICATE_NOT_AFTER: &str =
        "portcullis_tls_certificate_not_after_timestamp_seconds";
    pub(in crate::observe) const JWKS_AGE: &str = "portcullis_jwks_age_seconds";
    pub(in crate::observe) const JWKS_FETCHES: &str = "portcullis_jwks_fetches_total";
    pub(in crate::observe) const BUILD_INFO: &str = "portcullis_build_info";
    pub(in crate::observe) const MUSTER_TOOL_CALLS: &str = "muster_tool_calls_total";
    pub(in crate::observe) const MUSTER_TOOL_CALL_DURATION: &str =
        "muster_tool_call_duration_seconds";
}

/// Whether muster's names are counted too.
pub(super) static MUSTER_NAMES: OnceLock<bool> = OnceLock::new();

/// Handles that a thread keeps; a tool that is gone takes its place until then.
const MAX_HANDLES: usize = 4096;

/// Keys are words of ours and names from the configuration and the catalogue, so a quick hash will do.
type Known<K> = RefCell<HashMap<K, (Counter, Histogram), RandomState>>;
type Handles<K> = LocalKey<Known<K>>;

fn record<K: Hash + Eq>(
    handles: &'static Handles<K>,
    key: K,
    duration: Duration,
    register: impl FnOnce(&K) -> (Counter, Histogram),
) {
    handles.with_borrow_mut(|handles| {
        if handles.len() >= MAX_HANDLES && !handles.contains_key(&key) {
            handles.clear();
        }
        let entry = handles.entry(key);
        let (counter, histogram) = match entry {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let registered = register(entry.key());
                entry.insert(registered)
            }
        };
        counter.increment(1);
        histogram.record(duration);
    });
}

/// Method, route and status: words of ours and what we answer, so there are few, most of them of the
/// first few kinds. To hash one costs more than to come by those.
type HttpKey = (&'static str, &'static str, u16);

thread_local! {
    static HTTP: RefCell<Vec<(HttpKey, Counter, Histogram)>> = RefCell::default();
    static CALLS: Known<CallKey> = RefCell::default();
    static MUSTER: Known<CallKey> = RefCell::default();
}

/// An HTTP request got its response.
pub(crate) fn http_request(
    method: &'static str,
    route: &'static str,
    status: StatusCode,
    duration: Duration,
) {
    let key = (method, route, status.as_u16());
    HTTP.with_borrow_mut(|handles| {
        let known = handles.iter().position(|(known, ..)| *known == key);
        let at = known.unwrap_or_else(|| {
            let status = status.as_str().to_owned();
            let requests = counter!(
                name::HTTP_REQUESTS, "method" => method, "route" => route, "status" => status
            );
            let duration = histogram!(name::HTTP_REQUEST_DURATION, "route" => route);
            handles.push((key, requests, duration));
            handles.len() - 1
        });
        let (_, requests, durations) = &handles[at];
        requests.increment(1);
        durations.record(duration);
    });
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct CallKey {
    method: &'static str,
    tool: Arc<str>,
    backend: Arc<str>,
    outcome: Outcome,
}

/// A call has ended. `tool` and `backend` are names from catalogue and configuration, never what a
/// client sent; empty if there is none.
pub fn call_ended(
    method: &'static str,
    tool: Arc<str>,
    backend: Arc<str>,
    outcome: Outcome,
    duration: Duration,
) {
    let key = CallKey { method, tool, backend, outcome };
    let also_for_muster = method == Method::CallTool.as_str() && MUSTER_NAMES.get() == Some(&true);
    let muster_key = also_for_muster.then(|| key.clone());
    record(&CALLS, key, duration, |key| {
        let mut labels = vec![
            Label::from_static_parts("method", key.method),
            Label::new("tool", key.tool.clone()),
            Label::new("backend", key.backend.clone()),
        ];
        let duration = histogram!(name::CALL_DURATION, labels.clone());
        labels.push(Label::from_static_parts("outcome", key.outcome.as_str()));
        (counter!(name::CALLS, labels), duration)
    });
    if let Some(key) = muster_key {
        record(&MUSTER, key, duration, |key| {
            let labels = vec![
                Label::new("tool", key.tool.clone()),
                Label::from_static_parts("outcome", in_muster_words(key.outcome)),
            ];
            (
                counter!(name::MUSTER_TOOL_CALLS, labels.clone()),
                histogram!(name::MUSTER_TOOL_CALL_DURATION, labels),
            )
        });
    }
}

/// muster knows three outcomes.
const fn in_muster_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::ErrorResult => "error_result",
        Outcome::Error
        | Outcome::Denied
        | Outcome::Limited
        | Outcome::Timeout
        | Outcome::Cancelled => "error",
    }
}

/// A request or a call was refused by this kind of limit.
pub(crate) fn rate_limited(limit: &'static str) {
    counter!(name::RATE_LIMITED, "limit" => limit).increment(1);
}

/// The counters of an issuer, by outcome.
type Outcomes = Vec<(&'static str, Counter)>;

thread_local! {
    // A list: issuers are few, and to hash the name of one costs more than to come by all of them.
    static AUTHN: RefCell<Vec<(Box<str>, Outcomes)>> = RefCell::default();
}

/// A request was authenticated, or was not. `issuer` is one of the configuration or a word of ours,
/// so they are few.
pub(crate) fn authenticated(outcome: &'static str, issuer: &str) {
    AUTHN.with_borrow_mut(|issuers| {
        let known = issuers.iter().position(|(known, _)| **known == *issuer);
        let at = known.unwrap_or_else(|| {
            issuers.push((issuer.into(), Outcomes::new()));
            issuers.len() - 1
        });
        let outcomes = &mut issuers[at].1;
        if let Some((_, counter)) = outcomes.iter().find(|(known, _)| *known == outcome) {
            return counter.increment(1);
        }
        let counter = counter!(name::AUTHN, "outcome" => outcome, "issuer" => issuer.to_owned());
        counter.increment(1);
        outcomes.push((outcome, counter));
    });
}

/// A call was refused because its caller may not make it.
pub(crate) fn denied(reason: &'static str) {
    counter!(name::DENIED, "reason" => reason).increment(1);
}

/// When the certificate of a listener ceases to be valid, in seconds since 1970.
pub(crate) fn certificate_expires(listener: &'static str, at: i64) {
    // Exact for as long as years have four digits.
    #[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
    gauge!(name::CERTIFICATE_NOT_AFTER, "listener" => listener).set(at as f64);
}

/// A stream to a client that is open, until this is dropped.
#[must_use = "the stream counts as open until this is dropped"]
pub(crate) struct OpenStream(Gauge);

/// A stream to a client was opened.
pub(crate) fn stream_opened() -> OpenStream {
    let open = gauge!(name::STREAMS_OPEN);
    open.increment(1.0);
    OpenStream(open)
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl std::fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenStream")
    }
}
