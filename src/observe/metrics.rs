//! What is counted and timed: one function per event.
//!
//! Labels take few values each: names from the configuration and the catalogue, and words of ours.
//! Handles are kept per thread, so that an event costs a look-up and an atomic addition.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};
use std::thread::LocalKey;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

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
    pub(in crate::observe) const DROPPED: &str = "portcullis_dropped_total";
    pub(in crate::observe) const BUILD_INFO: &str = "portcullis_build_info";
    pub(in crate::observe) const MUSTER_TOOL_CALLS: &str = "muster_tool_calls_total";
    pub(in crate::observe) const MUSTER_TOOL_CALL_DURATION: &str =
        "muster_tool_call_duration_seconds";
}

/// Whether muster's names are counted too.
pub(super) static MUSTER_NAMES: OnceLock<bool> = OnceLock::new();

/// Handles that a thread keeps; a tool that is gone takes its place until then.
const MAX_HANDLES: usize = 4096;

type Handles<K> = LocalKey<RefCell<HashMap<K, (Counter, Histogram)>>>;

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

type HttpKey = (&'static str, &'static str, u16);

thread_local! {
    static HTTP: RefCell<HashMap<HttpKey, (Counter, Histogram)>> = RefCell::default();
    static CALLS: RefCell<HashMap<CallKey, (Counter, Histogram)>> = RefCell::default();
    static MUSTER: RefCell<HashMap<CallKey, (Counter, Histogram)>> = RefCell::default();
}

/// An HTTP request got its response.
pub(crate) fn http_request(
    method: &'static str,
    route: &'static str,
    status: StatusCode,
    duration: Duration,
) {
    record(&HTTP, (method, route, status.as_u16()), duration, |_| {
        let status = status.as_str().to_owned();
        (
            counter!(name::HTTP_REQUESTS, "method" => method, "route" => route, "status" => status),
            histogram!(name::HTTP_REQUEST_DURATION, "route" => route),
        )
    });
}

#[derive(PartialEq, Eq, Hash)]
struct CallKey {
    method: Method,
    tool: Arc<str>,
    backend: Arc<str>,
    outcome: Outcome,
}

/// A call has ended. `tool` is a name from the catalogue, and empty for what is no tool; `backend`
/// is empty if it came to none.
pub fn call_ended(
    method: Method,
    tool: &Arc<str>,
    backend: &Arc<str>,
    outcome: Outcome,
    duration: Duration,
) {
    let key = || CallKey { method, tool: tool.clone(), backend: backend.clone(), outcome };
    record(&CALLS, key(), duration, |_| {
        let (method, ended) = (method.as_str(), outcome.as_str());
        let (tool, backend) = (tool.clone(), backend.clone());
        let (of_tool, of_backend) = (tool.clone(), backend.clone());
        (
            counter!(name::CALLS, "method" => method, "tool" => tool, "backend" => backend, "outcome" => ended),
            histogram!(name::CALL_DURATION, "method" => method, "tool" => of_tool, "backend" => of_backend),
        )
    });
    if method == Method::CallTool && MUSTER_NAMES.get() == Some(&true) {
        let ended = in_muster_words(outcome);
        record(&MUSTER, key(), duration, |_| {
            let (tool, of_tool) = (tool.clone(), tool.clone());
            (
                counter!(name::MUSTER_TOOL_CALLS, "tool" => tool, "outcome" => ended),
                histogram!(name::MUSTER_TOOL_CALL_DURATION, "tool" => of_tool, "outcome" => ended),
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

/// A backend changes its state; `None` stands for one that is not there.
pub fn backend_state(backend: &str, before: Option<&'static str>, now: Option<&'static str>) {
    let set = |state: &'static str, value: f64| {
        gauge!(name::BACKEND_STATE, "backend" => backend.to_owned(), "state" => state).set(value);
    };
    if let Some(before) = before {
        set(before, 0.0);
    }
    if let Some(now) = now {
        set(now, 1.0);
    }
}

/// An MCP session was opened.
pub fn session_opened() {
    counter!(name::SESSIONS_OPENED).increment(1);
}

/// Something was dropped; `reason` is one of few fixed words.
pub fn dropped(reason: &'static str) {
    counter!(name::DROPPED, "reason" => reason).increment(1);
}

/// Counts as one for as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A stream to a client that is open.
#[derive(Debug)]
#[must_use = "the stream counts as open until this is dropped"]
pub struct OpenStream(#[expect(dead_code, reason = "held for its drop")] Counted);

/// A stream to a client was opened.
pub fn stream_opened() -> OpenStream {
    OpenStream(Counted::new(gauge!(name::STREAMS_OPEN)))
}

/// A TCP connection to a backend that is open.
#[derive(Debug)]
#[must_use = "the connection counts as open until this is dropped"]
pub struct PoolConnection(#[expect(dead_code, reason = "held for its drop")] Counted);

/// A TCP connection to a backend was opened.
pub fn pool_connection_opened(backend: &str) -> PoolConnection {
    PoolConnection(Counted::new(gauge!(name::POOL_CONNECTIONS, "backend" => backend.to_owned())))
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counted")
    }
}
