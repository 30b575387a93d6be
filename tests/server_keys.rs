//! Every key of an `MCPServer` changes how the gateway treats that server. `timeout` and `callTimeout` have their place
//! here too; `args` and `url` are in every other test, `family` is in `families.rs`.

use std::net::TcpListener;
use std::path::Path;

use portcullis_test_support::{Backend, ConfigDir, Gateway, Peers, RawClient, member};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::time::Instant;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// The text of a tool's result.
async fn text(client: &RawClient, tool: &str) -> String {
    let answer = client.call_tool(tool, &json!({})).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{tool}: {answer}")).to_owned()
}

#[tokio::test]
async fn timeout_is_how_long_connecting_may_take() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/mcp", silent.local_addr().expect("an address"));
    let spec = json!({"type": "streamable-http", "url": url, "autoStart": true, "timeout": 1});
    let config = ConfigDir::new().server("silent", &spec);
    let started = Instant::now();
    let gateway = Gateway::start(BINARY, config.path()).await;
    let error = gateway.failure("silent").await;
    assert!(started.elapsed().as_secs() < 15, "not the default of 30 s: {error}");
}

#[tokio::test]
async fn auto_start_decides_whether_a_server_runs() {
    let spec = json!({"type": "stdio", "command": "portcullis", "args": ["demo-server"]});
    let config = ConfigDir::new().server("idle", &spec).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    assert!(!client.call("tools/list", &json!({})).await.contains("x_idle"));
    let states = gateway.states().await.to_string();
    assert!(states.contains(r#"{"name":"idle","state":"stopped"}"#), "{states}");
    let answer = client.call_tool("x_idle_echo", &json!({"message": "m"})).await;
    assert!(member(&answer, "error").is_some(), "{answer}");
}

#[tokio::test]
async fn call_timeout_is_how_long_a_call_may_be_silent() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new()
        .stdio("short", &peers.misbehave_stdio(), &json!({"callTimeout": "500ms"}))
        .stdio("demo", &demo(), &json!({"callTimeout": "1s"}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_short_hang", "x_demo_slow"]).await;
    let answer = client.call_tool("x_short_hang", &json!({})).await;
    assert!(answer.contains("backend short was silent for 0.5 s"), "{answer}");
    // Progress is a sign of life: this takes longer than it may be silent.
    let params =
        json!({"name": "x_demo_slow", "arguments": {"ms": 2500}, "_meta": {"progressToken": 1}});
    let answer = client.call("tools/call", &params).await;
    assert!(answer.contains("took 2500 ms"), "{answer}");
    let timeouts = r#"portcullis_calls_total{method="tools/call",tool="x_short_hang",backend="short",outcome="timeout""#;
    gateway.until_metric(timeouts, |count| count > 0.5).await;
}

#[tokio::test]
async fn max_in_flight_bounds_the_calls_of_one_server() {
    let config = ConfigDir::new().stdio("narrow", &demo(), &json!({"maxInFlight": 1})).stdio(
        "wide",
        &demo(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_narrow_slow", "x_wide_slow"]).await;
    let params = |tool: &str| json!({"name": tool, "arguments": {"ms": 1500}, "_meta": {"progressToken": 1}});
    for (tool, refused) in [("x_narrow", true), ("x_wide", false)] {
        let mut first = client.start("tools/call", &params(&format!("{tool}_slow"))).await;
        first.message().await.expect("progress");
        let second = client.call_tool(&format!("{tool}_echo"), &json!({"message": "m"})).await;
        assert_eq!(second.contains("already has 1 calls in flight"), refused, "{tool}: {second}");
        assert!(first.response_message().await.contains("took 1500 ms"));
        let third = client.call_tool(&format!("{tool}_echo"), &json!({"message": "again"})).await;
        assert!(third.contains("again"), "{tool}: {third}");
    }
}

#[tokio::test]
async fn isolation_decides_who_shares_a_process() {
    let Some(peers) = Peers::installed() else { return };
    let config = ConfigDir::new()
        .stdio("shared", &peers.misbehave_stdio(), &json!({"isolation": "shared"}))
        .stdio("own", &peers.misbehave_stdio(), &json!({"isolation": "session"}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let one = gateway.client_that_sees(&["x_shared_pid", "x_own_pid"]).await;
    let two = RawClient::connect(gateway.url(), &json!({})).await;
    assert_eq!(text(&one, "x_shared_pid").await, text(&two, "x_shared_pid").await);
    let own = text(&one, "x_own_pid").await;
    assert_ne!(own, text(&two, "x_own_pid").await);
    assert_eq!(own, text(&one, "x_own_pid").await, "a session keeps its process");
}

#[tokio::test]
async fn names_follow_tool_prefix_and_expose_prefix() {
    let spec = |more: &Value| {
        let mut spec = json!({"type": "stdio", "command": "portcullis", "args": ["demo-server"], "autoStart": true});
        spec.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        spec
    };
    let config = ConfigDir::new()
        .server("first", &spec(&json!({"toolPrefix": "one"})))
        .server("bare", &spec(&json!({"gateway": {"expose": {"prefix": "none"}}})));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_one_echo", "echo"]).await;
    for tool in ["x_one_echo", "echo"] {
        let answer = client.call_tool(tool, &json!({"message": "named"})).await;
        assert!(answer.contains("named"), "{tool}: {answer}");
    }
    let prompts = client.call("prompts/list", &json!({})).await;
    assert!(prompts.contains(r#""greet""#) && prompts.contains(r#""x_one_greet""#), "{prompts}");
}

#[tokio::test]
async fn a_child_has_its_directory_and_its_variables_and_none_of_ours() {
    let Some(peers) = Peers::installed() else { return };
    let line = peers.misbehave_stdio();
    let config = ConfigDir::new();
    std::fs::create_dir(config.path().join("work")).expect("a directory");
    let config = config.server(
        "odd",
        &json!({
            "type": "stdio", "command": line[0], "args": line[1..], "autoStart": true,
            "env": {"COLOUR": "${TEST_COLOUR}"}, "gateway": {"cwd": "work"},
        }),
    );
    let gateway = Gateway::start_with(BINARY, config.path(), |command| {
        command.env("TEST_COLOUR", "blue").env("TEST_PASSWORD", "sesame");
    })
    .await;
    let client = gateway.client_that_sees(&["x_odd_cwd"]).await;
    let cwd = text(&client, "x_odd_cwd").await;
    let wanted = config.path().join("work").canonicalize().expect("the directory");
    assert_eq!(Path::new(&cwd), wanted);
    let environment: Value =
        serde_json::from_str(&text(&client, "x_odd_environment").await).unwrap();
    assert_eq!(environment["COLOUR"], "blue", "{environment}");
    assert!(environment["PATH"].is_string(), "{environment}");
    for ours in ["TEST_COLOUR", "TEST_PASSWORD", "PORTCULLIS_AGGREGATOR_PORT"] {
        assert_eq!(environment[ours], Value::Null, "{ours}");
    }
}

#[tokio::test]
async fn headers_are_sent_with_every_request() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        ("web", "streamable-http", Backend::misbehave_http(&peers, &[]).await),
        ("old", "sse", Backend::misbehave_sse(&peers, &[]).await),
    ];
    let mut config = ConfigDir::new();
    for (name, kind, server) in &servers {
        let headers = json!({"Authorization": "Bearer theirs", "X-Team": "gate"});
        let spec =
            json!({"type": kind, "url": server.url(), "autoStart": true, "headers": headers});
        config = config.server(name, &spec);
    }
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_web_headers", "x_old_headers"]).await;
    for tool in ["x_web_headers", "x_old_headers"] {
        let headers: Value = serde_json::from_str(&text(&client, tool).await).unwrap();
        assert_eq!(
            (&headers["authorization"], &headers["x-team"]),
            (&json!("Bearer theirs"), &json!("gate")),
            "{tool}"
        );
        assert_eq!(headers["content-type"], "application/json", "{tool}");
    }
    let headers: Value = serde_json::from_str(&text(&client, "x_web_headers").await).unwrap();
    let accept = headers["accept"].as_str().expect("Accept");
    assert!(
        accept.contains("application/json") && accept.contains("text/event-stream"),
        "{accept}"
    );
}

/// Files of an authority that nobody else knows: its own certificate, a server's and a client's.
fn write_certificates(directory: &Path) {
    let mut authority = CertificateParams::new([]).expect("a certificate");
    // OpenSSL takes a certificate whose issuer has its own name for a self-signed one.
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a certificate"))
            .expect("a certificate");
    let write = |name: &str, text: String| {
        std::fs::write(directory.join(name), text).expect("a certificate");
    };
    write("ca.pem", authority.pem());
    for (file, name) in [("server", "backend.test"), ("client", "gate.test")] {
        let key = KeyPair::generate().expect("a certificate");
        let params = CertificateParams::new([name.to_owned()]).expect("a certificate");
        write(
            &format!("{file}.pem"),
            params.signed_by(&key, &authority).expect("a certificate").pem(),
        );
        write(&format!("{file}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn tls_and_http2_say_how_a_server_is_reached() {
    let Some(peers) = Peers::installed() else { return };
    let files = tempfile::tempdir().expect("a directory");
    write_certificates(files.path());
    let path = |name: &str| files.path().join(name).to_str().expect("UTF-8").to_owned();
    let directory = files.path().to_str().expect("UTF-8");
    let plain = Backend::misbehave_http(&peers, &[("TLS_DIR", directory)]).await;
    let mutual =
        Backend::misbehave_http(&peers, &[("TLS_DIR", directory), ("CLIENT_CA", "1")]).await;
    let h2 = Backend::misbehave_http(&peers, &[("TLS_DIR", directory), ("HTTP2", "1")]).await;
    let old = Backend::misbehave_sse(&peers, &[("TLS_DIR", directory)]).await;
    let old_h2 = Backend::misbehave_sse(&peers, &[("TLS_DIR", directory), ("HTTP2", "1")]).await;
    let trust = json!({"caFile": path("ca.pem"), "serverName": "backend.test"});
    let known = json!({
        "caFile": path("ca.pem"), "serverName": "backend.test",
        "certFile": path("client.pem"), "keyFile": path("client.key"),
    });
    let config = ConfigDir::new()
        .http("trusted", plain.url(), &json!({"tls": trust}))
        .http("stranger", plain.url(), &json!({"tls": {"serverName": "backend.test"}}))
        .http("misnamed", plain.url(), &json!({"tls": {"caFile": path("ca.pem")}}))
        .http("known", mutual.url(), &json!({"tls": known}))
        .http("unknown", mutual.url(), &json!({"tls": trust}))
        .http("modern", h2.url(), &json!({"tls": trust, "http2": true}))
        .http("old", h2.url(), &json!({"tls": trust}))
        .sse("stream", old.url(), &json!({"tls": trust}))
        .sse("unread", old.url(), &json!({"tls": {"serverName": "backend.test"}}))
        .sse("shared", old_h2.url(), &json!({"tls": trust, "http2": true}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let tools =
        ["x_trusted_echo", "x_known_echo", "x_modern_echo", "x_stream_echo", "x_shared_echo"];
    let client = gateway.client_that_sees(&tools).await;
    for tool in tools {
        let answer = client.call_tool(tool, &json!({"message": "safe"})).await;
        assert!(answer.contains("safe"), "{tool}: {answer}");
    }
    for name in ["stranger", "misnamed", "unknown", "old", "unread"] {
        let error = gateway.failure(name).await;
        assert!(!error.is_empty(), "{name}: {error}");
    }
}

#[tokio::test]
async fn an_extra_authority_of_the_command_line_is_trusted_for_every_server() {
    let Some(peers) = Peers::installed() else { return };
    let files = tempfile::tempdir().expect("a directory");
    write_certificates(files.path());
    let directory = files.path().to_str().expect("UTF-8");
    let web = Backend::misbehave_http(&peers, &[("TLS_DIR", directory)]).await;
    let config =
        ConfigDir::new().http("web", web.url(), &json!({"tls": {"serverName": "backend.test"}}));
    let gateway = Gateway::start_with(BINARY, config.path(), |command| {
        command.arg("--extra-ca-file").arg(files.path().join("ca.pem"));
    })
    .await;
    let client = gateway.client_that_sees(&["x_web_echo"]).await;
    let answer = client.call_tool("x_web_echo", &json!({"message": "safe"})).await;
    assert!(answer.contains("safe"), "{answer}");
}
