//! The metrics as Prometheus reads them.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::metrics::{MUSTER_NAMES, name};

/// From a call that is answered by a builtin to one that is as long as calls may be silent.
const DURATION_BUCKETS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
    300.0,
];
/// Observations are kept one by one until somebody reads them; this bounds how many.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Everything that was measured so far.
#[derive(Clone)]
pub struct Exposition(PrometheusHandle);

impl Exposition {
    /// Text in Prometheus' format, version 0.0.4.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sums up what was observed, now and then, until `stop`; else memory grows while nobody
    /// scrapes.
    pub async fn upkeep(self, stop: CancellationToken) {
        while stop.run_until_cancelled(time::sleep(UPKEEP_INTERVAL)).await.is_some() {
            self.0.run_upkeep();
        }
    }
}

/// Begins to measure, for the whole process; a second call gives the same exposition.
///
/// `muster_names` adds what dashboards of muster query.
pub fn install(muster_names: bool) -> Exposition {
    static INSTALLED: OnceLock<Exposition> = OnceLock::new();
    let install = || {
        let recorder = recorder();
        let exposition = Exposition(recorder.handle());
        // Nobody but this function sets one.
        let _ = metrics::set_global_recorder(recorder);
        let _ = MUSTER_NAMES.set(muster_names);
        describe();
        exposition
    };
    INSTALLED.get_or_init(install).clone()
}

fn recorder() -> PrometheusRecorder {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &DURATION_BUCKETS)
        .expect("there are buckets")
        .build_recorder()
}

/// Says what each metric means, and sets those that are there from the start.
fn describe() {
    describe_counter!(name::HTTP_REQUESTS, Unit::Count, "HTTP requests by their response.");
    describe_histogram!(
        name::HTTP_REQUEST_DURATION,
        Unit::Seconds,
        "Time until the head of the response."
    );
    describe_counter!(name::CALLS, Unit::Count, "Calls to backends by how they ended.");
    describe_histogram!(
        name::CALL_DURATION,
        Unit::Seconds,
        "Time until the response to a call was complete."
    );
    describe_gauge!(name::BACKEND_STATE, "1 for the state that a backend is in, 0 for others.");
    describe_counter!(name::SESSIONS_OPENED, Unit::Count, "MCP sessions that were opened.");
    describe_gauge!(name::STREAMS_OPEN, "Response streams to clients that are open.");
    describe_gauge!(name::BACKEND_CONNECTIONS, "MCP connections to a backend that are open.");
    describe_gauge!(
        name::COLLISIONS,
        "Tools, prompts and resources that are not shown because another backend has the name."
    );
    describe_counter!(
        name::BACKEND_EVICTIONS,
        Unit::Count,
        "MCP connections that the gateway closed while it ran, by reason."
    );
    describe_gauge!(name::POOL_CONNECTIONS, "TCP connections to backends that are open.");
    describe_gauge!(name::BACKEND_CONNECTIONS, "MCP connections to a backend that are open.");
    describe_gauge!(
        name::COLLISIONS,
        "Names and URIs that are not shown because another backend has them."
    );
    describe_counter!(
        name::RATE_LIMITED,
        Unit::Count,
        "Requests and calls that were refused by a limit, by the kind of limit."
    );
    describe_counter!(
        name::AUTHN,
        Unit::Count,
        "Requests by what authentication came to, and by the issuer of their proof."
    );
    describe_counter!(
        name::AUTHN_CACHE,
        Unit::Count,
        "Access tokens by where it was known whether they hold."
    );
    describe_counter!(name::DENIED, Unit::Count, "Calls that were refused by policy, by reason.");
    describe_counter!(
        name::DROPPED,
        Unit::Count,
        "Messages, streams and connections that were dropped, by reason."
    );
    describe_gauge!(
        name::CERTIFICATE_NOT_AFTER,
        Unit::Seconds,
        "When the certificate of a listener ceases to be valid, in Unix time."
    );
    describe_gauge!(name::JWKS_AGE, "Seconds since an issuer's keys were last had from it.");
    describe_counter!(
        name::JWKS_FETCHES,
        Unit::Count,
        "How often an issuer's keys were asked for, by what came of it."
    );
    describe_gauge!(name::BUILD_INFO, "Always 1; the labels say what is running.");
    describe_counter!(name::MUSTER_TOOL_CALLS, Unit::Count, "Tool calls by how they ended.");
    describe_histogram!(
        name::MUSTER_TOOL_CALL_DURATION,
        Unit::Seconds,
        "Time until the response to a tool call was complete."
    );
    gauge!(name::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(name::STREAMS_OPEN).set(0.0);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use http::StatusCode;
    use metrics::counter;

    use super::super::metrics::{
        authenticated, call_ended, denied, http_request, rate_limited, stream_opened,
    };
    use super::*;
    use crate::call::Outcome;

    /// Everything measured once, by a recorder of the test's own.
    fn measured() -> String {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            let _ = MUSTER_NAMES.set(true);
            let took = Duration::from_millis(3);
            http_request("POST", "mcp", StatusCode::OK, took);
            call_ended("tools/call", "now".into(), "time".into(), Outcome::Limited, took);
            drop(stream_opened());
            rate_limited("tool_in_flight");
            denied("denylist");
            authenticated("ok", "https://login.example");
            authenticated("ok", "https://login.example");
            authenticated("expired", "https://login.example");
            counter!(name::AUTHN_CACHE, "result" => "memory").increment(1);
            gauge!(name::BACKEND_STATE, "backend" => "time", "state" => "connected").set(1.0);
            gauge!(name::POOL_CONNECTIONS).set(2.0);
            gauge!(name::BACKEND_CONNECTIONS, "backend" => "time").set(2.0);
            gauge!(name::COLLISIONS).set(0.0);
            counter!(name::BACKEND_EVICTIONS, "backend" => "time", "reason" => "idle").increment(1);
            counter!(name::SESSIONS_OPENED, "version" => "2025-11-25").increment(1);
            counter!(name::DROPPED, "reason" => "late_response").increment(1);
            let issuer = "https://id.example";
            gauge!(name::JWKS_AGE, "issuer" => issuer).set(1.5);
            counter!(name::JWKS_FETCHES, "issuer" => issuer, "outcome" => "ok").increment(1);
        });
        handle.render()
    }

    #[test]
    fn every_metric_is_described_and_named_as_prometheus_wants_it() {
        let text = measured();
        let metrics: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert_eq!(metrics.len(), 21, "{text}");
        for metric in metrics {
            let (name, kind) = metric.split_once(' ').unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            let is_time = kind == "histogram" || name.contains("_age_");
            assert_eq!(name.ends_with("_seconds"), is_time, "{name}");
        }
    }

    #[test]
    fn what_was_measured_is_there() {
        let text = measured();
        for line in [
            r#"portcullis_http_requests_total{method="POST",route="mcp",status="200"} 1"#,
            r#"portcullis_http_request_duration_seconds_bucket{route="mcp",le="0.0025"} 0"#,
            r#"portcullis_http_request_duration_seconds_bucket{route="mcp",le="0.005"} 1"#,
            r#"portcullis_calls_total{method="tools/call",tool="now",backend="time",outcome="limited"} 1"#,
            r#"portcullis_call_duration_seconds_count{method="tools/call",tool="now",backend="time"} 1"#,
            r#"portcullis_backend_state{backend="time",state="connected"} 1"#,
            r#"portcullis_sessions_opened_total{version="2025-11-25"} 1"#,
            "portcullis_streams_open 0",
            "portcullis_pool_connections 2",
            r#"portcullis_backend_connections{backend="time"} 2"#,
            r#"portcullis_backend_evictions_total{backend="time",reason="idle"} 1"#,
            r#"portcullis_rate_limited_total{limit="tool_in_flight"} 1"#,
            r#"portcullis_denied_total{reason="denylist"} 1"#,
            r#"portcullis_authn_total{outcome="ok",issuer="https://login.example"} 2"#,
            r#"portcullis_authn_total{outcome="expired",issuer="https://login.example"} 1"#,
            r#"portcullis_authn_cache_total{result="memory"} 1"#,
            r#"portcullis_dropped_total{reason="late_response"} 1"#,
            r#"portcullis_jwks_age_seconds{issuer="https://id.example"} 1.5"#,
            r#"portcullis_jwks_fetches_total{issuer="https://id.example",outcome="ok"} 1"#,
            r#"muster_tool_calls_total{tool="now",outcome="error"} 1"#,
            r#"muster_tool_call_duration_seconds_count{tool="now",outcome="error"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn promtool_finds_nothing_to_improve() {
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = promtool else {
            eprintln!("skipped: promtool is not installed");
            return;
        };
        promtool.stdin.take().unwrap().write_all(measured().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
