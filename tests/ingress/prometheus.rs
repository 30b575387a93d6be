//! Prometheus reads the gateway's metrics and answers questions about it.

use portcullis_test_support::{ConfigDir, Gateway, Peers, Prometheus};
use serde_json::json;

use crate::page::{block, replaced};
use crate::{BINARY, demo};

#[tokio::test]
async fn prometheus_counts_the_calls_of_a_tool() {
    let Some(peers) = Peers::with(&["prometheus"]) else { return };
    let config = ConfigDir::new().config("aggregator: {exposure: native}\n").stdio(
        "demo",
        &demo(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    let address = gateway.metrics_origin().trim_start_matches("http://");
    let config = replaced(&block("yaml", "prometheus.yml"), "127.0.0.1:9464", address);
    let prometheus = Prometheus::start(&peers, &replaced(&config, "15s", "1s")).await;
    let up = prometheus.until(r#"up{job="portcullis"}"#, |values| values == [1.0]).await;
    assert_eq!(up[0]["metric"]["instance"], address);

    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    for _ in 0..3 {
        client.call_tool("x_demo_echo", &json!({"message": "hello"})).await;
    }
    let calls = r#"portcullis_calls_total{tool="x_demo_echo"}"#;
    let calls = prometheus.until(calls, |values| values == [3.0]).await;
    let labels = &calls[0]["metric"];
    assert_eq!(
        (&labels["backend"], &labels["outcome"]),
        (&json!("demo"), &json!("ok")),
        "{labels}"
    );
    let running = r#"portcullis_backend_state{backend="demo",state="running"}"#;
    prometheus.until(running, |values| values == [1.0]).await;
}
