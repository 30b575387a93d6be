//! What Prometheus sees.

use portcullis_test_support::wire::Request;
use portcullis_test_support::{ConfigDir, Gateway, Peers};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

#[tokio::test]
async fn promtool_accepts_the_metrics_of_a_gateway_at_work() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new()
        .config("aggregator: {exposure: native}\nmetrics: {musterNames: true}\n")
        .stdio("pipe", &peers.misbehave_stdio(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_pipe_echo"]).await;
    client.call_tool("x_pipe_echo", &json!({"message": "hello"})).await;
    client.call_tool("no such tool, and a label nobody should see", &json!({})).await;

    let page = Request::new("GET", gateway.metrics_url()).send().await.text().await;
    assert_eq!(peers.check_metrics(&page), "", "{page}");
    assert!(page.contains("portcullis_calls_total{"), "{page}");
    assert!(!page.contains("nobody should see"), "names from outside are no labels: {page}");
}
