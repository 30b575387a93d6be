//! What an operator sees of a gateway at work, and what nobody sees.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use portcullis_test_support::wire::Request;
use portcullis_test_support::{Backend, ConfigDir, DEADLINE, Gateway, Peers, Signal, until};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const JSON_LOG: &str = "logging: {format: json}\n";

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// The lines about calls of a method, once there are so many.
async fn call_lines(gateway: &Gateway, method: &str, count: usize) -> Vec<Value> {
    let lines = || -> Vec<Value> {
        let stderr = gateway.process().stderr();
        let lines = stderr.iter().filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["message"] == "tool call" && line["method"] == method)
            .collect()
    };
    until("the lines about calls", || lines().len() >= count).await;
    lines()
}

#[tokio::test]
async fn lines_of_many_calls_are_whole_and_all_there_when_the_gateway_has_ended() {
    let config = ConfigDir::new().config(JSON_LOG).stdio("demo", &demo(), &json!({}));
    let mut gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    let (echo, wrong) = (json!({"message": "hello"}), json!({}));
    let calls = (0..300).map(|number| {
        let tool = if number % 2 == 0 { "x_demo_echo" } else { "x_demo_nope" };
        client.call_tool(tool, if number % 2 == 0 { &echo } else { &wrong })
    });
    join_all(calls).await;
    gateway.process().signal(Signal::TERM);
    gateway.process_mut().finished(DEADLINE).await;

    assert_eq!(call_lines(&gateway, "tools/call", 300).await.len(), 300);
    let stderr = gateway.process().stderr();
    for line in stderr.iter().filter(|line| line.contains("\"timestamp\"")) {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a torn line: {line}");
    }
}

#[tokio::test]
async fn each_call_leaves_one_line_that_says_what_became_of_it() {
    let config = ConfigDir::new().config(JSON_LOG).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    client.call_tool("x_demo_echo", &json!({"message": "hello"})).await;
    client.call_tool("x_demo_fail", &json!({})).await;
    client.call_tool("x_demo_nope", &json!({})).await;
    client.call("prompts/get", &json!({"name": "x_demo_greet", "arguments": {"who": "you"}})).await;

    let lines = call_lines(&gateway, "tools/call", 3).await;
    assert_eq!(lines.len(), 3, "one line each: {lines:?}");
    for (line, (tool, outcome)) in lines.iter().zip([
        ("x_demo_echo", "ok"),
        ("x_demo_fail", "error_result"),
        ("x_demo_nope", "error"),
    ]) {
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(line["subsystem"], "MCP-Tool", "{line}");
        assert_eq!(line["outcome"], outcome, "{line}");
        assert!(line["duration_s"].as_f64().is_some_and(|seconds| seconds < 30.0), "{line}");
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(line["request_id"].is_string(), "{line}");
        assert_eq!(line["session"].as_str().map(str::len), Some(8), "an identifier is cut: {line}");
        if outcome == "error" {
            assert!(line["error"].as_str().is_some_and(|error| error.contains(tool)), "{line}");
        } else {
            assert_eq!((&line["tool"], &line["backend"]), (&json!(tool), &json!("demo")), "{line}");
        }
    }
    let prompts = call_lines(&gateway, "prompts/get", 1).await;
    assert_eq!((prompts.len(), &prompts[0]["outcome"]), (1, &json!("ok")));
}

#[tokio::test]
async fn secrets_of_clients_and_backends_are_in_no_output() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::misbehave_http(&peers, &[]).await;
    let (command, args) = {
        let line = peers.misbehave_stdio();
        (line[0].clone(), line[1..].to_vec())
    };
    let config = ConfigDir::new()
        .config("logging: {format: json, level: trace}\n")
        .server("pipe", &json!({
            "type": "stdio", "command": command, "args": args, "autoStart": true,
            "env": {"API_KEY": "sesame-env"},
        }))
        .server("web", &json!({
            "type": "streamable-http", "url": format!("{}?key=sesame-query", web.url()), "autoStart": true,
            "headers": {"Authorization": "Bearer sesame-header", "X-Key": "sesame-key"},
        }))
        .server("closed", &json!({
            "type": "streamable-http", "url": "http://127.0.0.1:9/mcp?key=sesame-closed",
            "autoStart": true, "headers": {"Authorization": "Bearer sesame-header"},
        }));
    let config = config.server("refused", &json!({
        "type": "streamable-http", "url": "http://user:sesame-user@127.0.0.1:9/mcp", "autoStart": true,
    }));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_pipe_echo", "x_web_headers"]).await;
    let call = |tool: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let mut seen = Vec::new();
    for (tool, arguments) in [
        ("x_pipe_echo", json!({"message": "sesame-argument"})),
        ("x_web_headers", json!({})),
        ("x_web_html", json!({"status": 502})),
        ("x_pipe_garbage", json!({})),
        ("x_nobody", json!({"message": "sesame-argument"})),
    ] {
        let request = client
            .request("POST")
            .header("Content-Type", "application/json")
            .header("Authorization", "Bearer sesame-token")
            .header("Cookie", "id=sesame-cookie")
            .header("X-Api-Key", "sesame-api-key");
        seen.push(request.body(call(tool, arguments).to_string()).send().await.text().await);
    }
    let headers = &seen[1];
    assert!(headers.contains("sesame-header") && headers.contains("sesame-key"), "{headers}");
    for secret in ["sesame-token", "sesame-cookie", "sesame-api-key"] {
        assert!(!headers.contains(secret), "what is the client's own goes no further: {headers}");
    }
    let verbose = format!("{}/ready?verbose", gateway.metrics_origin());
    let verbose = Request::new("GET", &verbose).send().await.text().await;
    assert!(verbose.contains(r#""closed""#), "{verbose}");
    let public = format!("{}/ready?verbose", gateway.origin());
    let public = Request::new("GET", &public).send().await.text().await;
    assert_eq!(public, verbose, "nobody is a stranger on loopback");

    let session = client.session().expect("a session").to_owned();
    call_lines(&gateway, "tools/call", 5).await;
    client.close().await;
    let outputs = [
        ("the output", gateway.process().output()),
        ("the metrics", gateway.metrics_page().await),
        ("/ready?verbose", verbose),
    ];
    for (name, text) in outputs {
        for line in text.lines() {
            assert!(!line.contains("sesame"), "{name}: {line}");
            assert!(
                !line.contains(&session),
                "a session id is as good as a password: {name}: {line}"
            );
        }
    }
}

/// Series without their values.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test]
async fn every_metric_is_there_after_some_traffic_and_prometheus_likes_it() {
    let Some(peers) = Peers::installed() else { return };
    let web = Backend::demo_http(BINARY).await;
    let config = ConfigDir::new()
        .config("metrics: {musterNames: true}\n")
        .stdio("pipe", &demo(), &json!({}))
        .http("web", web.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_pipe_echo", "x_web_echo"]).await;
    let _listening = client.listen().await;
    for tool in ["x_pipe_echo", "x_web_echo", "x_pipe_fail", "x_web_nope"] {
        client.call_tool(tool, &json!({"message": "m"})).await;
    }
    client.notify("notifications/of/no/meaning", &json!({})).await;
    let page = gateway.metrics_page().await;
    for name in [
        r#"portcullis_http_requests_total{method="POST",route="mcp",status="200"}"#,
        r#"portcullis_http_request_duration_seconds_bucket{route="mcp",le="#,
        r#"portcullis_calls_total{method="tools/call",tool="x_web_echo",backend="web",outcome="ok"}"#,
        r#"portcullis_calls_total{method="tools/call",tool="x_pipe_fail",backend="pipe",outcome="error_result"}"#,
        r#"portcullis_calls_total{method="tools/call",tool="",backend="",outcome="error"}"#,
        "portcullis_call_duration_seconds_bucket{",
        r#"portcullis_backend_state{backend="web",state="connected"} 1"#,
        "portcullis_sessions_opened_total{",
        "portcullis_streams_open 1",
        "portcullis_pool_connections ",
        r#"portcullis_dropped_total{reason="unknown_notification"} 1"#,
        "portcullis_build_info{version=",
        r#"muster_tool_calls_total{tool="x_web_echo",outcome="ok"} 1"#,
        "muster_tool_call_duration_seconds_bucket{",
    ] {
        assert!(page.contains(name), "{name} is missing:\n{page}");
    }
    for name in series(&page) {
        let name = name.split('{').next().unwrap_or_default();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let described = |name: &str| page.contains(&format!("# HELP {name} "));
        assert!(described(name) || base.is_some_and(described), "{name} has no help text");
    }
    assert_eq!(peers.check_metrics(&page), "", "{page}");
}

#[tokio::test]
async fn nothing_a_client_sends_makes_new_series() {
    let config =
        ConfigDir::new().config("logging: {calls: false}\n").stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    let odd = async |number: u32| {
        client.call_tool(&format!("x_demo_tool_{number}"), &json!({})).await;
        client.call(&format!("method/{number}"), &json!({})).await;
        client.call("resources/read", &json!({"uri": format!("demo://item/{number}")})).await;
        client.notify(&format!("notifications/{number}"), &json!({})).await;
        let path = format!("{}/path/{number}", gateway.origin());
        Request::new("GET", &path).send().await;
        Request::new(&format!("METHOD{number}"), gateway.url()).send().await;
        let unknown = format!("{}/servers/server{number}/mcp", gateway.origin());
        Request::new("POST", &unknown).send().await;
    };
    odd(0).await;
    let before = series(&gateway.metrics_page().await);
    for number in 1..50 {
        odd(number).await;
    }
    for number in 0..1000 {
        client.call_tool(&format!("x_demo_unknown_{number}"), &json!({})).await;
    }
    let unheard_of = json!({"protocolVersion": "2099-01-01", "capabilities": {}});
    client.call("initialize", &unheard_of).await;
    let after = series(&gateway.metrics_page().await);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}
