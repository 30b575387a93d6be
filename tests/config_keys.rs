//! Every key of `config.yaml` changes what the gateway does. Those not here: `http.maxBodyBytes` (`bad_http.rs`),
//! `http.drain` (`drain.rs`), `http.keepAlive` (`streams.rs`), `sessions.keyFiles` (`sessions.rs`), `metrics.musterNames`
//! (`observe.rs`), `trustedProxies`, `rateLimit` and `toolLimits` (`limits.rs`), `denylist` (`tool_blocks.rs`),
//! `auth.allowUnauthenticated` (`cli.rs`), `auth.streamGrace` (`src/app/tests/expiry.rs`), and `sessions.maxAge`, which is
//! a minute at least.

use std::net::{Ipv6Addr, TcpListener};

use portcullis_test_support::wire::{Connection, Request, Url};
use portcullis_test_support::{
    ConfigDir, DEADLINE, Gateway, Peers, RawClient, RawDuplex, Signal, member, within,
};
use serde_json::json;
use tokio::time::Instant;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// A gateway with this `config.yaml` and the demo server.
async fn gateway(config: &str) -> (ConfigDir, Gateway) {
    let config = ConfigDir::new().config(config).stdio("demo", &demo(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    (config, gateway)
}

fn ping(client: &RawClient) -> Request {
    client.request("POST").header("Content-Type", "application/json").body(PING)
}

#[tokio::test]
async fn http_max_in_flight_bounds_requests_without_an_answer() {
    let (_config, gateway) = gateway("http: {maxInFlight: 1}\n").await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    let mut slow = Connection::open(&Url::parse(gateway.url()).authority).await;
    let head =
        ping(&client).header("Expect", "100-continue").header("Content-Length", "40").body("");
    slow.write(&head.to_bytes()).await;
    let waiting = slow.response().await;
    assert_eq!(waiting.status, 100, "it is under way and waits for the body");

    let refused = ping(&client).send().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let health = format!("{}/health", gateway.origin());
    assert_eq!(Request::new("GET", &health).send().await.status, 200, "health is never refused");
    let mut slow = waiting.into_connection();
    slow.write(PING.as_bytes()).await;
    assert_eq!(slow.response().await.status, 200);
    assert_eq!(ping(&client).send().await.status, 200, "there is room again");
}

#[tokio::test]
async fn http_max_streams_bounds_open_streams() {
    let (_config, gateway) = gateway("http: {maxStreams: 1}\n").await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    let slow = |ms: u64| json!({"name": "x_demo_slow", "arguments": {"ms": ms}, "_meta": {"progressToken": 1}});
    let first = client.listen().await;
    assert_eq!(first.status, 200);
    let refused = client.listen().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let sse = Request::new("GET", &gateway.sse_url());
    assert_eq!(sse.send().await.status, 503);
    let mut call = client.start("tools/call", &slow(10_000)).await;
    assert_eq!((call.response.status, call.response.header("retry-after")), (503, Some("1")));
    let error = call.message().await.expect("an error");
    assert_eq!(member(&error, "id"), Some(&*call.id.to_string()), "{error}");
    assert!(error.contains("1 streams are open, as many as there may be"), "{error}");
    let cancelled = r#"portcullis_calls_total{method="tools/call",tool="x_demo_slow",backend="demo",outcome="cancelled""#;
    gateway.until_metric(cancelled, |count| count > 0.5).await;
    assert_eq!(ping(&client).send().await.status, 200, "what needs no stream goes on");
    let echo = client.call_tool("x_demo_echo", &json!({"message": "without a stream"})).await;
    assert!(echo.contains("without a stream"), "{echo}");
    drop(first);
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    let mut call = client.start("tools/call", &slow(500)).await;
    assert_eq!(call.response.status, 200);
    assert_eq!(client.listen().await.status, 503, "the stream of a call counts as well");
    assert!(call.response_message().await.contains("took 500 ms"));
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    assert_eq!(client.listen().await.status, 200);
}

#[tokio::test]
async fn http_allowed_hosts_and_origins_pass_and_no_others() {
    let config = "http: {allowedHosts: [gate.example], allowedOrigins: ['https://app.example']}\n";
    let (_config, gateway) = gateway(config).await;
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    for (header, value, status) in [
        ("Host", "gate.example", 200),
        ("Host", "gate.example:8443", 200),
        ("Host", "other.example", 403),
        ("Origin", "https://app.example", 200),
        ("Origin", "http://app.example", 403),
        ("Origin", "https://app.example:8443", 403),
        ("Origin", "http://localhost:5173", 200),
    ] {
        assert_eq!(ping(&client).header(header, value).send().await.status, status, "{value}");
    }
    let page = ping(&client).header("Origin", "https://app.example").send().await;
    assert_eq!(page.header("access-control-allow-origin"), Some("https://app.example"));
    let preflight = Request::new("OPTIONS", gateway.url())
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "mcp-session-id, content-type");
    let preflight = preflight.send().await;
    assert!(preflight.status < 300, "{}", preflight.head());
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
}

#[tokio::test]
async fn catalogue_grace_is_how_long_the_tools_of_a_dead_server_stay() {
    let Some(peers) = Peers::installed() else { return };
    for (grace, stays) in [("1s", false), ("5m", true)] {
        let config = ConfigDir::new().config(&format!("catalogue: {{grace: {grace}}}\n")).stdio(
            "odd",
            &peers.misbehave_stdio(),
            &json!({}),
        );
        let gateway = Gateway::start(BINARY, config.path()).await;
        let client = gateway.client_that_sees(&["x_odd_die"]).await;
        client.call_tool("x_odd_die", &json!({})).await;
        let verbose = format!("{}/ready?verbose", gateway.metrics_origin());
        let is_listed = async || client.call("tools/list", &json!({})).await.contains("x_odd_echo");
        let listed = within("the end of the server to show", async {
            loop {
                let listed = is_listed().await;
                let ready = Request::new("GET", &verbose).send().await.text().await;
                if !ready.contains(r#""running""#) && listed == stays {
                    return listed;
                }
            }
        });
        assert_eq!(listed.await, stays, "{grace}");
        let answer = client.call_tool("x_odd_echo", &json!({"message": "m"})).await;
        assert!(answer.contains(r#""error""#), "{grace}: {answer}");
    }
}

#[tokio::test]
async fn catalogue_first_list_wait_is_how_long_a_list_waits_for_a_first_start() {
    for (wait, at_least, at_most) in [("100ms", 0.0, 1.5), ("2s", 1.9, 20.0)] {
        let never = ["sleep", "600"].map(str::to_owned);
        let config = ConfigDir::new()
            .config(&format!("catalogue: {{firstListWait: {wait}}}\n"))
            .stdio("never", &never, &json!({}))
            .stdio("demo", &demo(), &json!({}));
        let gateway = Gateway::start(BINARY, config.path()).await;
        let client = RawClient::connect(gateway.url(), &json!({})).await;
        let started = Instant::now();
        client.call("tools/list", &json!({})).await;
        let took = started.elapsed().as_secs_f64();
        assert!((at_least..at_most).contains(&took), "{wait}: {took} s");
        gateway.client_that_sees(&["x_demo_echo"]).await;
    }
}

#[tokio::test]
async fn hosts_say_where_the_listeners_are() {
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    for (host, second) in [("127.0.0.1", false), ("localhost", has_ipv6)] {
        let config = format!("aggregator: {{host: {host}}}\nmetrics: {{host: {host}}}\n");
        let (_config, gateway) = gateway(&config).await;
        let after = |line: &str| line.starts_with("authentication: ").then_some(());
        gateway.process().line("line behind the addresses", after).await;
        let said = gateway.process().stdout().join("\n");
        for what in ["listening", "metrics"] {
            assert_eq!(
                said.contains(&format!("{what} on http://[::1]:")),
                second,
                "{host}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn aggregator_muster_prefix_stands_before_all_names() {
    let (_config, gateway) = gateway("aggregator: {musterPrefix: hub}\n").await;
    let client = gateway.client_that_sees(&["hub_demo_echo"]).await;
    let answer = client.call_tool("hub_demo_echo", &json!({"message": "through the hub"})).await;
    assert!(answer.contains("through the hub"), "{answer}");
}

#[tokio::test]
async fn aggregator_public_url_is_what_clients_are_told() {
    let config = "aggregator: {publicUrl: 'https://gate.example/team'}\n";
    let (_config, gateway) = gateway(config).await;
    let told = |line: &str| line.contains("https://gate.example/team").then_some(());
    gateway.process().line("block for mcp.json with the public URL", told).await;
    let page = Request::new("GET", &format!("{}/", gateway.origin())).header("Accept", "text/html");
    let page = page.send().await.text().await;
    assert!(page.contains("https://gate.example/team"), "{page}");
    let client = gateway.client_that_sees(&["x_demo_echo"]).await;
    assert_eq!(ping(&client).header("Host", "gate.example").send().await.status, 200);
    let mut stream = Request::new("GET", &gateway.sse_url()).send().await;
    let endpoint = stream.event().await.and_then(|event| event.data).expect("the endpoint");
    assert!(endpoint.starts_with("/team/message?sessionId="), "{endpoint}");
}

#[tokio::test]
async fn aggregator_transport_says_which_ways_in_there_are() {
    for (transport, path, kind, at_mcp) in
        [("streamable-http", "/mcp", "http", 400), ("sse", "/sse", "sse", 404)]
    {
        let config = format!("aggregator: {{transport: {transport}, exposure: native}}\n");
        let (_config, gateway) = gateway(&config).await;
        assert!(gateway.url().ends_with(path), "{}", gateway.url());
        let told = |line: &str| line.contains(&format!(r#""type": "{kind}""#)).then_some(());
        gateway.process().line("block for mcp.json with the transport", told).await;
        let at = |path: &str| Request::new("GET", &format!("{}{path}", gateway.origin()));
        for path in ["/mcp", "/servers/demo/mcp"] {
            assert_eq!(at(path).send().await.status, at_mcp, "{transport}: {path}");
        }
        assert_eq!(at("/health").send().await.status, 200);
        let page = at("/").header("Accept", "text/html").send().await.text().await;
        assert!(page.contains(gateway.url()) && page.contains("HTTP+SSE"), "{page}");
        let mut client = RawDuplex::open_sse(&gateway.sse_url()).await;
        client.initialize("2024-11-05", &json!({})).await;
        client.until_listed(&["x_demo_echo"]).await;
        for route in ["sse", "message"] {
            let series = format!(
                r#"portcullis_http_requests_total{{method="{}",route="{route}""#,
                if route == "sse" { "GET" } else { "POST" }
            );
            gateway.until_metric(&series, |count| count > 0.5).await;
        }
    }
    // The third one is in `stdio.rs`.
}

#[tokio::test]
async fn logging_says_what_is_written_and_how() {
    for (logging, json, calls, infos) in [
        ("{format: json}", true, true, true),
        ("{format: text}", false, true, true),
        ("{format: json, calls: false}", true, false, true),
        ("{format: json, level: warn}", true, false, false),
        ("{level: off}", true, false, false),
    ] {
        let (_config, mut gateway) = gateway(&format!("logging: {logging}\n")).await;
        let client = gateway.client_that_sees(&["x_demo_echo"]).await;
        client.call_tool("x_demo_echo", &json!({"message": "m"})).await;
        gateway.process().signal(Signal::TERM);
        gateway.process_mut().finished(DEADLINE).await;
        let lines = gateway.process().stderr();
        let has = |text: &str| lines.iter().any(|line| line.contains(text));
        assert_eq!(has("tool call"), calls, "{logging}: {lines:#?}");
        assert_eq!(has("shutting down"), infos, "{logging}: {lines:#?}");
        let is_json = |line: &String| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(lines.iter().all(|line| is_json(line) == json), "{logging}: {lines:#?}");
    }
}
