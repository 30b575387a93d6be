//! What an operator sees of who was let in and who was not.

use portcullis::authn::Digest;
use portcullis_test_support::wire::Request;
use portcullis_test_support::{ConfigDir, Gateway, Peers, until};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// `sesame-0123456789-sesame` by its SHA-256.
const TOKEN: &str = "sesame-0123456789-sesame";
const CONFIG: &str = "\
logging: {format: json}
auth:
  mode: tokens
  tokens:
    - {name: ci, sha256: \"DIGEST\"}
";

/// Initialises with these credentials, and says with which status that ends.
async fn initialize(gateway: &Gateway, authorization: Option<&str>) -> u16 {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    });
    let mut request = Request::new("POST", gateway.url())
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(body.to_string());
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    request.send().await.status
}

#[tokio::test]
async fn operators_see_how_authentication_came_out_and_nothing_of_the_tokens() {
    let config = ConfigDir::new()
        .config(&CONFIG.replace("DIGEST", &Digest::of(TOKEN.as_bytes()).to_string()));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let good = format!("Bearer {TOKEN}");
    for (authorization, status) in [
        (Some(&*good), 200),
        (Some(&good), 200),
        (Some("Bearer wrong-9876543210-wrong"), 401),
        (Some("Bearer wrong{}"), 400),
        (None, 401),
    ] {
        assert_eq!(initialize(&gateway, authorization).await, status, "{authorization:?}");
    }

    let page = Request::new("GET", gateway.metrics_url()).send().await.text().await;
    for line in [
        r#"portcullis_authn_total{outcome="ok",issuer="urn:portcullis:tokens"} 2"#,
        r#"portcullis_authn_total{outcome="unknown",issuer="unknown"} 1"#,
        r#"portcullis_authn_total{outcome="malformed",issuer="unknown"} 1"#,
        r#"portcullis_authn_total{outcome="missing",issuer="unknown"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    if let Some(peers) = Peers::installed() {
        assert_eq!(peers.check_metrics(&page), "", "{page}");
    }

    let refusals = || -> Vec<Value> {
        let stderr = gateway.process().stderr();
        let lines = stderr.iter().filter_map(|line| serde_json::from_str(line).ok());
        lines.filter(|line: &Value| line["message"] == "a request is not authenticated").collect()
    };
    until("the lines about refusals", || refusals().len() >= 2).await;
    let lines = refusals();
    assert_eq!(lines.len(), 2, "one line each, and none for who has still to log in: {lines:?}");
    for (line, reason) in lines.iter().zip(["unknown", "malformed"]) {
        assert_eq!((&line["level"], &line["reason"]), (&json!("INFO"), &json!(reason)), "{line}");
        assert_eq!((&line["issuer"], &line["client"]), (&json!("unknown"), &json!("127.0.0.1")));
    }
    let stderr = gateway.process().stderr().join("\n");
    for secret in ["sesame", "wrong-", "wrong{"] {
        assert!(!stderr.contains(secret) && !page.contains(secret), "{secret}");
    }
}
