//! The official conformance suite at 2025-11-25, through the gateway, with a second and unrelated backend beside the
//! suite's own. Direct it runs in `tests/support`.

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The suite knows its tools by name and speaks to clients of its own, so names are kept and sessions are not shared.
fn kept() -> serde_json::Value {
    json!({"isolation": "session", "expose": {"prefix": "none"}})
}

async fn start(peers: &Peers, config: ConfigDir) -> Gateway {
    let config = config.config("aggregator: {exposure: native}\n").stdio(
        "memory",
        &peers.memory_stdio(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["test_simple_text", "x_memory_read_graph"]).await;
    gateway
}

async fn assert_all_scored_pass(peers: &Peers, url: &str) {
    let suite = peers.conformance(url, "2025-11-25").await;
    assert_eq!((suite.passed, suite.scored), (30, 30), "{:#?}", suite.failures);
}

#[tokio::test]
async fn all_scored_scenarios_pass_with_the_fixture_over_http() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_http(&peers).await;
    let config = ConfigDir::new().http("fixture", fixture.url(), &kept());
    let gateway = start(&peers, config).await;
    assert_all_scored_pass(&peers, gateway.url()).await;
}

#[tokio::test]
async fn all_scored_scenarios_pass_with_the_fixture_over_stdio() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().stdio("fixture", &peers.fixture_stdio(), &kept());
    let gateway = start(&peers, config).await;
    assert_all_scored_pass(&peers, gateway.url()).await;
}

#[tokio::test]
async fn all_scored_scenarios_pass_at_the_endpoint_of_one_server() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_http(&peers).await;
    let config = ConfigDir::new().http("fixture", fixture.url(), &kept());
    let gateway = start(&peers, config).await;
    assert_all_scored_pass(&peers, &gateway.server_url("fixture")).await;
}

#[tokio::test]
async fn all_scored_scenarios_pass_with_the_fixture_over_http_and_sse() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_sse(&peers).await;
    let config = ConfigDir::new().sse("fixture", fixture.url(), &kept());
    let gateway = start(&peers, config).await;
    assert_all_scored_pass(&peers, gateway.url()).await;
}

/// The scenarios that a list of expected failures names, in their order.
fn listed(yaml: &str) -> Vec<&str> {
    let entries = yaml.lines().filter_map(|line| line.strip_prefix("  - "));
    entries
        .map(|entry| {
            let (name, reason) = entry.split_once(" # ").expect("a reason behind each entry");
            assert!(!reason.is_empty(), "{name}");
            name
        })
        .collect()
}

#[tokio::test]
async fn with_a_backend_of_2024_11_05_all_pass_but_what_that_revision_cannot_express() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_of_2024(&peers).await;
    let config = ConfigDir::new().sse("fixture", fixture.url(), &kept());
    let gateway = start(&peers, config).await;
    let suite = peers.conformance(gateway.url(), "2025-11-25").await;
    let expected = listed(include_str!("peers/conformance/server-of-2024-11-05.yml"));
    let failed: Vec<_> = suite.failures.keys().map(String::as_str).collect();
    assert_eq!(failed, expected, "{:#?}", suite.failures);
    assert_eq!((suite.passed, suite.scored), (30 - expected.len() as u64, 30));
}
