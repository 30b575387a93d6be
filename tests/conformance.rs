//! The official conformance suite at 2025-11-25, through the gateway, with a second and unrelated backend beside the
//! suite's own. Direct it runs in `tests/support`.

use portcullis_test_support::{Backend, ConfigDir, Conformance, Gateway, Peers};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The suite knows its tools by name and speaks to clients of its own, so names are kept and sessions are not shared.
fn kept() -> serde_json::Value {
    json!({"isolation": "session", "expose": {"prefix": "none"}})
}

async fn run(peers: &Peers, config: ConfigDir) -> Conformance {
    let config = config.config("aggregator: {exposure: native}\n").stdio(
        "memory",
        &peers.memory_stdio(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    gateway.client_that_sees(&["test_simple_text", "x_memory_read_graph"]).await;
    peers.conformance(gateway.url(), "2025-11-25").await
}

fn assert_all_scored_pass(suite: &Conformance) {
    assert_eq!((suite.passed, suite.scored), (30, 30), "{:#?}", suite.failures);
}

#[tokio::test]
async fn all_scored_scenarios_pass_with_the_fixture_over_http() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_http(&peers).await;
    let config = ConfigDir::new().http("fixture", fixture.url(), &kept());
    assert_all_scored_pass(&run(&peers, config).await);
}

#[tokio::test]
async fn all_scored_scenarios_pass_with_the_fixture_over_stdio() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new().stdio("fixture", &peers.fixture_stdio(), &kept());
    assert_all_scored_pass(&run(&peers, config).await);
}
