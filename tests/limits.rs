//! How often callers may ask, whose address counts, and how many calls a tool may have.

use std::net::Ipv4Addr;

use portcullis::authn::Digest;
use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{
    Backend, ConfigDir, Exchange, Gateway, Peers, RawClient, RawDuplex, member, within,
};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
/// As much as nobody gets back during a test.
const ONCE: &str = "perSecond: 0.001, burst: 1";

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}

/// A gateway with this `config.yaml`, and the demo server under two names.
async fn gateway(config: &str) -> (ConfigDir, Gateway) {
    // A call that stays silent becomes a stream soon, which tells that it is under way.
    let config = format!("aggregator: {{exposure: native}}\nhttp: {{keepAlive: 1s}}\n{config}");
    let config = ConfigDir::new().config(&config).stdio("demo", &demo(), &json!({})).stdio(
        "other",
        &demo(),
        &json!({}),
    );
    let gateway = Gateway::start(BINARY, config.path()).await;
    (config, gateway)
}

/// A request that needs no session, from whomever `lines` say.
async fn ask(gateway: &Gateway, lines: &[(&str, &str)]) -> Response {
    let mut request = Request::new("POST", gateway.url())
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(PING);
    for (name, value) in lines {
        request = request.header(name, value);
    }
    request.send().await
}

#[tokio::test]
async fn forwarding_headers_count_from_a_trusted_proxy_and_from_nobody_else() {
    const X: &str = "X-Forwarded-For";
    const F: &str = "Forwarded";
    let trusted = format!("trustedProxies: [127.0.0.0/8]\nrateLimit: {{{ONCE}}}\n");
    let untrusted = format!("trustedProxies: [10.0.0.0/8]\nrateLimit: {{{ONCE}}}\n");
    // Each asks once; who comes as somebody who has asked already is refused.
    for (config, asked) in [
        (
            &trusted,
            &[
                ("a client", X, "192.0.2.1", true),
                ("the same behind forged ones", X, "192.0.2.7, 192.0.2.1", false),
                ("the same in other words", F, "for=\"192.0.2.1:4711\"", false),
                ("the same through two proxies", X, "192.0.2.1, 127.0.0.2", false),
                ("the same as IPv6", X, "::ffff:192.0.2.1", false),
                ("another", X, "192.0.2.2", true),
                ("a third in the standard's words", F, "for=192.0.2.3;proto=https", true),
                ("one of IPv6", F, "for=\"[2001:db8::1]\"", true),
                ("its neighbour", F, "for=\"[2001:db8::2]\"", false),
                ("nobody", F, "for=unknown", true),
                ("nobody again", X, "nonsense", false),
                ("the proxy itself", X, "", false),
            ][..],
        ),
        (
            &untrusted,
            &[
                ("a stranger", X, "192.0.2.1", true),
                ("the same with another word", X, "192.0.2.2", false),
                ("the same with the other header", F, "for=192.0.2.3", false),
                ("the same as a trusted proxy", X, "10.0.0.1", false),
            ],
        ),
    ] {
        let (_config, gateway) = gateway(config).await;
        for (name, header, value, is_new) in asked {
            let status = ask(&gateway, &[(header, value)]).await.status;
            assert_eq!(status == 429, !is_new, "{name}: {status}");
        }
    }
}

#[tokio::test]
async fn a_forged_second_header_is_not_believed() {
    let config = format!("trustedProxies: [127.0.0.1]\nrateLimit: {{{ONCE}}}\n");
    let (_config, gateway) = gateway(&config).await;
    let both = async |customary: &str, standard: &str| {
        let lines = [("X-Forwarded-For", customary), ("Forwarded", standard)];
        ask(&gateway, &lines).await.status
    };
    assert_ne!(both("192.0.2.1", "for=192.0.2.66").await, 429, "it counts for the proxy");
    for forged in ["for=192.0.2.67", "for=\"", "", "for=unknown"] {
        assert_eq!(both("192.0.2.1", forged).await, 429, "{forged}");
    }
    assert_ne!(both("192.0.2.1", "for=192.0.2.1").await, 429, "a proxy that sets both");
    assert_eq!(ask(&gateway, &[("X-Forwarded-For", "192.0.2.1")]).await.status, 429);
    assert_ne!(ask(&gateway, &[("X-Forwarded-For", "192.0.2.66")]).await.status, 429);
}

#[tokio::test]
async fn trusting_a_proxy_opens_no_door_to_other_hosts_and_pages() {
    let (_config, gateway) = gateway("trustedProxies: [127.0.0.1]\n").await;
    for (name, value) in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        let lines = [
            (name, value),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X-Forwarded-Host", "localhost"),
            ("Forwarded", "for=127.0.0.1;host=localhost;proto=http"),
        ];
        assert_eq!(ask(&gateway, &lines).await.status, 403, "{name}");
    }
}

#[tokio::test]
async fn a_caller_beyond_the_rate_is_told_when_to_come_back() {
    let (_config, gateway) = gateway("rateLimit: {perSecond: 0.05, burst: 2}\n").await;
    let client = RawClient::connect(gateway.url(), &json!({})).await; // two messages
    for request in [
        client.request("POST").header("Content-Type", "application/json").body(PING),
        client.request("GET"),
        client.request("DELETE"),
    ] {
        let mut refused = request.header("Origin", "http://localhost:5173").send().await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("access-control-allow-origin"), Some("http://localhost:5173"));
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&after), "{after}");
        let body: Value = serde_json::from_str(&refused.text().await).unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&Value::Null, &json!(-31008)));
        assert_eq!(body["error"]["data"], json!({"retryAfter": after}));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("0.05 per second (burst 2) for each address"), "{message}");
    }
    for path in ["/health", "/ready"] {
        let status =
            Request::new("GET", &format!("{}{path}", gateway.origin())).send().await.status;
        assert_ne!(status, 429, "{path}");
    }
    let preflight = Request::new("OPTIONS", gateway.url())
        .header("Origin", "http://localhost:5173")
        .header("Access-Control-Request-Method", "POST");
    assert_eq!(preflight.send().await.status, 200);
    gateway.until_metric(r#"portcullis_rate_limited_total{limit="rate""#, |n| n > 2.5).await;
}

#[tokio::test]
async fn every_message_of_a_batch_is_charged_and_all_are_refused_or_none() {
    // Two messages to begin a session, so five are left.
    let (_config, gateway) = gateway("rateLimit: {perSecond: 0.001, burst: 7}\n").await;
    let client = RawClient::connect_at(gateway.url(), "2025-03-26", &json!({})).await;
    let ping = |id: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let batch = |count: usize| format!("[{}]", (0..count).map(ping).collect::<Vec<_>>().join(","));
    let mut never = client.post(batch(8)).await; // the request itself is charged: four are left
    assert_eq!((never.status, never.header("retry-after")), (429, None));
    let said = never.text().await;
    assert!(said.contains("a batch of 8 messages never fits in rateLimit.burst, 7"), "{said}");
    let mut whole = client.post(batch(2)).await; // two are left
    assert_eq!(whole.status, 200);
    assert_eq!(whole.text().await.matches(r#""result""#).count(), 2);
    let mut refused = client.post(batch(3)).await; // one is left
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    assert!(!refused.text().await.contains(r#""result""#), "none of them was done");
    assert_eq!(client.post(ping(1)).await.status, 200);
    assert_eq!(client.post(ping(1)).await.status, 429);
}

/// A call of a slow tool, once it is under way.
async fn slow(client: &RawClient, backend: &str, ms: u64) -> Exchange {
    let params = json!({"name": format!("x_{backend}_slow"), "arguments": {"ms": ms}});
    let call = client.start("tools/call", &params).await;
    assert_eq!(call.response.header("content-type"), Some("text/event-stream"), "not refused");
    call
}

/// Whether a call of a slow tool is refused by a limit, at once.
async fn is_refused(client: &RawClient, backend: &str) -> bool {
    let tool = format!("x_{backend}_slow");
    let answer = client.call_tool(&tool, &json!({"ms": 0})).await;
    let Some(error) = member(&answer, "error") else { return false };
    let error: Value = serde_json::from_str(error).expect("JSON");
    assert_eq!(error["code"], -31008, "{answer}");
    assert_eq!(error["data"], json!({"backend": backend, "tool": tool, "retryAfter": 1}));
    let message = error["message"].as_str().expect("a message");
    let named = format!("tool {tool} of backend {backend}: toolLimits[0] allows 1 calls at a time");
    assert!(message.starts_with(&named), "{message}");
    true
}

async fn until_accepted(client: &RawClient, backend: &str) {
    within("room for another call", async { while is_refused(client, backend).await {} }).await;
}

#[tokio::test]
async fn every_message_of_a_batch_is_charged_over_sse_too() {
    // A stream and two messages to begin a session, so four are left.
    let (_config, gateway) = gateway("rateLimit: {perSecond: 0.001, burst: 7}\n").await;
    let mut client = RawDuplex::open_sse(&gateway.sse_url()).await;
    client.initialize("2025-03-26", &json!({})).await;
    let batch = |count: usize| format!("[{}]", [PING].repeat(count).join(","));
    let mut never = client.send(batch(8)).await.expect("a refusal"); // three are left
    assert_eq!((never.status, never.header("retry-after")), (429, None));
    let said = never.text().await;
    assert!(said.contains("a batch of 8 messages never fits in rateLimit.burst, 7"), "{said}");
    assert!(client.send(batch(2)).await.is_none(), "it is taken"); // one is left
    for _ in 0..2 {
        let answer = client.answer_to_me().await;
        assert!(member(&answer, "result").is_some(), "{answer}");
    }
    let refused = client.send(batch(2)).await.expect("a refusal");
    assert!(refused.status == 429 && refused.header("retry-after").is_some());
}

#[tokio::test]
async fn tool_limits_count_for_a_session_a_principal_or_all() {
    for (per, other_session, other_backend) in
        [("session", false, true), ("principal", true, true), ("all", true, true)]
    {
        let rule = format!("toolLimits: [{{tool: 'sl?w', per: {per}, maxInFlight: 1}}]\n");
        let (_config, gateway) = gateway(&rule).await;
        let one = gateway.client_that_sees(&["x_demo_slow", "x_other_slow"]).await;
        let two = RawClient::connect(gateway.url(), &json!({})).await;
        let mut held = slow(&one, "demo", 60_000).await;
        assert!(is_refused(&one, "demo").await, "{per}");
        assert_eq!(is_refused(&two, "demo").await, other_session, "{per}");
        assert_eq!(is_refused(&one, "other").await, other_backend, "{per}: one rule, one count");
        let echo = one.call_tool("x_demo_echo", &json!({"message": "not limited"})).await;
        assert!(echo.contains("not limited"), "{echo}");
        one.notify("notifications/cancelled", &json!({"requestId": held.id})).await;
        assert_eq!(held.message().await, None, "a cancelled call has no answer");
        until_accepted(&one, "demo").await;
    }
}

/// `auth` with a token for each name, `{name}-token`.
fn tokens(names: &[&str]) -> String {
    let token = |name: &&str| {
        let digest = Digest::of(format!("{name}-token").as_bytes());
        format!("{{name: {name}, sha256: '{digest}'}}")
    };
    let tokens: Vec<_> = names.iter().map(token).collect();
    format!("auth: {{mode: tokens, tokens: [{}]}}\n", tokens.join(", "))
}

#[tokio::test]
async fn each_token_may_ask_as_often_as_the_others_wherever_it_comes_from() {
    let auth = tokens(&["ann", "bob"]);
    let (_config, gateway) =
        gateway(&format!("{auth}rateLimit: {{perSecond: 0.001, burst: 2}}\n")).await;
    let elsewhere = Ipv4Addr::new(127, 0, 0, 9);
    // Each request has a connection of its own.
    for (token, source, is_refused) in [
        ("ann-token", Ipv4Addr::LOCALHOST, false),
        ("ann-token", elsewhere, false),
        ("ann-token", Ipv4Addr::LOCALHOST, true),
        ("ann-token", elsewhere, true),
        ("bob-token", Ipv4Addr::LOCALHOST, false),
        ("bob-token", Ipv4Addr::LOCALHOST, false),
        ("bob-token", Ipv4Addr::LOCALHOST, true),
    ] {
        let request = Request::new("POST", gateway.url())
            .from(source)
            .header("Authorization", &format!("Bearer {token}"))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(PING);
        let mut response = request.send().await;
        assert_eq!(response.status == 429, is_refused, "{token} from {source}");
        if is_refused {
            let said = response.text().await;
            assert!(said.contains("0.001 per second (burst 2) for each caller"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_tool_limit_per_principal_counts_what_one_token_calls_in_all_its_sessions() {
    let rules = format!(
        "toolLimits:\n  - {{tool: slow, per: principal, maxInFlight: 1}}\n  \
         - {{tool: echo, per: principal, {ONCE}}}\n"
    );
    let (_config, gateway) = gateway(&(tokens(&["ann", "bob"]) + &rules)).await;
    gateway.until_connected().await;
    let connect = |token| RawClient::connect_as(token, gateway.url());
    let (ann, ann_again) = (connect("ann-token").await, connect("ann-token").await);
    let bob = connect("bob-token").await;

    let mut held = slow(&ann, "demo", 60_000).await;
    assert!(is_refused(&ann_again, "demo").await);
    assert!(!is_refused(&bob, "demo").await, "bob has a place of his own");
    ann.notify("notifications/cancelled", &json!({"requestId": held.id})).await;
    assert_eq!(held.message().await, None, "a cancelled call has no answer");
    until_accepted(&ann_again, "demo").await;

    let arguments = json!({"message": "m"});
    for (client, is_refused) in [(&ann, false), (&ann_again, true), (&bob, false), (&bob, true)] {
        let answer = client.call_tool("x_demo_echo", &arguments).await;
        assert_eq!(member(&answer, "error").is_some(), is_refused, "{answer}");
        let said = "toolLimits[1] allows 0.001 per second (burst 1) for each caller";
        assert_eq!(answer.contains(said), is_refused, "{answer}");
    }
}

#[tokio::test]
async fn a_call_has_its_place_until_its_work_has_ended() {
    let (_config, gateway) = gateway("toolLimits: [{backend: demo, maxInFlight: 1}]\n").await;
    let client = gateway.client_that_sees(&["x_demo_slow", "x_other_slow"]).await;
    let mut answered = slow(&client, "demo", 5000).await;
    assert!(is_refused(&client, "demo").await);
    assert!(!is_refused(&client, "other").await, "a rule for other backends");
    assert!(answered.response_message().await.contains("took 5000 ms"));
    until_accepted(&client, "demo").await;

    // A legacy client that is cut off has not cancelled: the work goes on, and so does its place.
    let cut_off = slow(&client, "demo", 60_000).await;
    let id = cut_off.id.clone();
    drop(cut_off);
    gateway.until_metric("portcullis_streams_open", |open| open < 0.5).await;
    assert!(is_refused(&client, "demo").await);
    client.notify("notifications/cancelled", &json!({"requestId": id})).await;
    until_accepted(&client, "demo").await;

    let held = slow(&client, "demo", 60_000).await;
    let other = RawClient::connect(gateway.url(), &json!({})).await;
    assert!(is_refused(&other, "demo").await);
    assert_eq!(client.close().await, 200);
    drop(held);
    until_accepted(&other, "demo").await;
    let limited = r#"portcullis_calls_total{method="tools/call",tool="x_demo_slow",backend="demo",outcome="limited""#;
    gateway.until_metric(limited, |count| count > 1.5).await;
    let refused = r#"portcullis_rate_limited_total{limit="tool_in_flight""#;
    gateway.until_metric(refused, |count| count > 1.5).await;
}

#[tokio::test]
async fn calls_that_begin_have_a_rate_at_every_endpoint() {
    let rules = format!("toolLimits: [{{backend: demo, tool: echo, per: session, {ONCE}}}]\n");
    let (_config, gateway) = gateway(&rules).await;
    let client = gateway.client_that_sees(&["x_demo_echo", "x_other_echo"]).await;
    let arguments = json!({"message": "m"});
    let first = client.call_tool("x_demo_echo", &arguments).await;
    assert!(member(&first, "result").is_some(), "{first}");
    let refused = client.call_tool("x_demo_echo", &arguments).await;
    assert!(refused.contains("toolLimits[0] allows 0.001 per second (burst 1)"), "{refused}");
    assert!(refused.contains("for each session; try again in 1000 s"), "{refused}");
    let spelled = json!({"name": "x_demo_echo", "arguments": arguments});
    let refused = client.call_tool("call_tool", &spelled).await;
    assert!(refused.contains("toolLimits[0]"), "{refused}");
    let other = client.call_tool("x_other_echo", &arguments).await;
    assert!(member(&other, "result").is_some(), "{other}");

    let alone = RawClient::connect(&gateway.server_url("demo"), &json!({})).await;
    let first = alone.call_tool("echo", &arguments).await;
    assert!(member(&first, "result").is_some(), "{first}");
    let refused = alone.call_tool("echo", &arguments).await;
    assert!(refused.contains("toolLimits[0]"), "{refused}");
    assert!(alone.call("tools/list", &json!({})).await.contains("echo"), "lists are not limited");
}

#[tokio::test]
async fn a_tool_that_a_backend_did_not_list_is_limited_too() {
    let rules = format!("toolLimits: [{{backend: demo, tool: 'hidden_*', {ONCE}}}]\n");
    let (_config, gateway) = gateway(&rules).await;
    let client = RawClient::connect(&gateway.server_url("demo"), &json!({})).await;
    let first = client.call_tool("hidden_door", &json!({})).await;
    assert!(!first.contains("toolLimits"), "the server's own answer: {first}");
    let second = client.call_tool("hidden_door", &json!({})).await;
    assert!(second.contains("tool hidden_door of backend demo: toolLimits[0]"), "{second}");
}

#[tokio::test]
async fn other_peoples_servers_are_limited_as_well() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let rule = "aggregator: {exposure: native}\n\
                toolLimits: [{tool: '*long-running*', per: session, maxInFlight: 1}]\n";
    let config = ConfigDir::new().config(rule).http("every", everything.url(), &json!({}));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let tool = "x_every_trigger-long-running-operation";
    let client = gateway.client_that_sees(&[tool]).await;
    let params = |duration: u32| {
        let arguments = json!({"duration": duration, "steps": 20});
        json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}})
    };
    let mut held = client.start("tools/call", &params(2)).await;
    let first = held.message().await.expect("progress");
    assert!(first.contains("notifications/progress"), "{first}");
    let refused = client.call("tools/call", &params(1)).await;
    assert!(refused.contains("toolLimits[0] allows 1 calls at a time"), "{refused}");
    assert!(held.response_message().await.contains("completed"));
    let answer = client.call("tools/call", &params(0)).await;
    assert!(member(&answer, "result").is_some(), "{answer}");
}
