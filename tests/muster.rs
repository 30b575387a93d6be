//! A directory as people have it from muster starts unchanged.

use std::fs;

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// Every key of muster's `config.yaml`, with what is switched off filled in all the same.
const CONFIG: &str = r#"
namespace: mcp
kubernetes: false
events: true
logging: {level: info}
aggregator:
  enabled: true
  host: localhost
  port: 8090
  transport: streamable-http
  musterPrefix: x
  admin: {enabled: false, port: 9999, bindAddress: 127.0.0.1}
  oauth:
    mcpClient:
      enabled: false
      publicUrl: https://muster.example.com
      clientId: https://muster.example.com/.well-known/oauth-client.json
      callbackPath: /oauth/proxy/callback
      cimd: {path: /.well-known/oauth-client.json, scopes: openid profile email groups offline_access}
      postLoginRedirectAllowlist: [https://portal.example.com/done]
    server:
      enabled: false
      baseUrl: https://muster.example.com
      provider: dex
      dex: {issuerUrl: https://dex.example.com, clientId: muster, clientSecretFile: /etc/muster/secrets/dex, connectorId: ""}
      google: {clientId: "", clientSecretFile: ""}
      storage: {type: memory, valkey: {url: "", keyPrefix: "muster:", db: 0}}
      sessionDuration: 720h
      registrationToken: ""
      allowPublicClientRegistration: false
      trustedPublicRegistrationSchemes: [cursor]
      trustedPublicRegistrationRedirectURIs: []
      enableCIMD: true
      allowLocalhostRedirectURIs: true
      encryptionKeyFile: /etc/muster/secrets/key
      allowedOrigins: ""
      trustedAudiences: []
      trustedIssuers: []
      trustedProxyCIDRs: []
      resourceIdentifier: ""
      tokenExchangeBroker: {clientAudiences: {}, targets: {}}
"#;

/// An object as muster leaves it on disk: it writes the status back.
fn object(name: &str, spec: &Value) -> String {
    let object = json!({
        "apiVersion": "muster.giantswarm.io/v1alpha1",
        "kind": "MCPServer",
        "metadata": {
            "name": name,
            "namespace": "mcp",
            "labels": {"app.kubernetes.io/part-of": "tools"},
            "annotations": {"ui.giantswarm.io/registered-by": "ada@example.com"},
            "creationTimestamp": "2026-08-21T10:00:00Z",
            "generation": 3,
            "resourceVersion": "12345",
            "uid": "7c0c3a41-6c42-4e0f-8a0d-1f3b7b1f0f2e",
        },
        "spec": spec,
        "status": {
            "state": "Running", "lastConnected": "2026-08-21T10:00:01Z", "restartCount": 0,
            "consecutiveFailures": 0, "conditions": [],
        },
    });
    format!("{object:#}\n")
}

#[tokio::test]
async fn a_directory_of_muster_starts_unchanged() {
    let Some(peers) = Peers::installed() else { return };
    let http = Backend::everything_http(&peers).await;
    let sse = Backend::everything_sse(&peers).await;
    let member = |description: &str| {
        json!({
            "type": "stdio", "command": BINARY, "args": ["demo-server"], "autoStart": true,
            "description": description, "env": {"LOG_LEVEL": "debug"}, "timeout": 30,
            "family": {"name": "clusters", "instanceArg": "management_cluster"},
            "auth": {"type": "none", "forwardToken": false},
        })
    };
    let remote = |kind: &str, url: &str| {
        json!({
            "type": kind, "url": url, "autoStart": true, "headers": {"X-Team": "tools"},
            "toolPrefix": kind.replace('-', "_"), "timeout": 300,
            "auth": {"type": "none", "tokenExchange": {"enabled": false}},
        })
    };
    let config = ConfigDir::new()
        .config(CONFIG)
        .file("mcpservers/east.yaml", &object("east", &member("One of them")))
        .file("mcpservers/west.yaml", &object("west", &member("The other")))
        .file("mcpservers/web.yaml", &object("web", &remote("streamable-http", http.url())))
        .file("mcpservers/old.yaml", &object("old", &remote("sse", sse.url())))
        .file("mcpservers/idle.yaml", &object("idle", &json!({"type": "stdio", "command": "x"})));
    for directory in ["workflows", "workflow_executions", "events"] {
        fs::create_dir(config.path().join(directory)).expect("a directory");
    }
    let gateway = Gateway::start_with(BINARY, config.path(), |command| {
        command.env("PORTCULLIS_AGGREGATOR_EXPOSURE", "both");
    })
    .await;
    let client = gateway
        .client_that_sees(&["call_tool", "x_clusters_echo", "x_streamable_http_echo", "x_sse_echo"])
        .await;
    for (tool, arguments) in [
        ("x_clusters_echo", json!({"management_cluster": "west", "message": "hello"})),
        ("x_streamable_http_echo", json!({"message": "hello"})),
        ("x_sse_echo", json!({"message": "hello"})),
    ] {
        let call = json!({"name": tool, "arguments": arguments});
        let answer = client.call_tool("call_tool", &call).await;
        assert!(answer.contains("hello") && !answer.contains("\"isError\":true"), "{answer}");
    }
}
