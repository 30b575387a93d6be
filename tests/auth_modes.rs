//! Who gets in at each endpoint with static tokens, and with the word of a trusted proxy.

use std::net::Ipv4Addr;
use std::process::Command;

use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{ConfigDir, DEADLINE, Gateway, RawClient, RawDuplex, Signal};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// A token and its line, made by the command.
fn token(name: &str) -> (String, String) {
    let output = Command::new(BINARY).args(["token", "new", name]).output().expect("the command");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let (token, line) = output.trim_end().split_once('\n').expect("two lines");
    (format!("Bearer {token}"), line.to_owned())
}

fn tokens(lines: &[&str]) -> String {
    let items = lines.join("\n    ");
    format!("auth:\n  mode: tokens\n  tokens:\n    {items}\n")
}

fn directory(config: &str) -> ConfigDir {
    let demo = ["portcullis", "demo-server"].map(str::to_owned);
    ConfigDir::new().config(&format!("aggregator: {{exposure: native}}\n{config}")).stdio(
        "demo",
        &demo,
        &json!({}),
    )
}

fn post(url: &str) -> Request {
    Request::new("POST", url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(PING)
}

/// Every way in, as somebody uses it who has a session and a stream.
fn ways(gateway: &Gateway, client: &RawClient, duplex: &RawDuplex) -> Vec<(&'static str, Request)> {
    let session = client.session().expect("a session");
    let with = |method: &str, url: &str| {
        let request = post(url).header("Mcp-Session-Id", session);
        if method == "POST" {
            return request;
        }
        Request::new(method, url)
            .header("Accept", "text/event-stream")
            .header("Mcp-Session-Id", session)
    };
    let server = gateway.server_url("demo");
    vec![
        ("POST /mcp", with("POST", gateway.url())),
        ("GET /mcp", with("GET", gateway.url())),
        ("DELETE /mcp", with("DELETE", gateway.url())),
        ("POST of a server", with("POST", &server)),
        ("GET of a server", with("GET", &server)),
        ("DELETE of a server", with("DELETE", &server)),
        ("GET /sse", Request::new("GET", &gateway.sse_url()).header("Accept", "text/event-stream")),
        ("POST /message", post(duplex.endpoint())),
    ]
}

async fn refusal(mut response: Response) -> (u16, Value) {
    let status = response.status;
    let body = response.text().await;
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}: {body}"));
    (status, body["error"].clone())
}

#[tokio::test]
async fn a_static_token_is_needed_and_does_at_every_way_in() {
    let (bearer, line) = token("ci");
    let (_config, gateway) = start(&tokens(&[&line])).await;
    let said = |line: &str| line.contains("whoever has the token ci may call").then_some(());
    gateway.process().line("who may call", said).await;
    let proof = [("Authorization", bearer.as_str())];
    let client = RawClient::connect_with(&proof, gateway.url()).await;
    let mut duplex = RawDuplex::open_sse_with(&proof, &gateway.sse_url()).await;
    duplex.initialize("2024-11-05", &json!({})).await;
    let guess = format!("{bearer}x");
    for (name, request) in ways(&gateway, &client, &duplex) {
        let without = request.clone().without("Authorization").send().await;
        let challenge = without.header("www-authenticate").expect(name).to_owned();
        assert!(challenge.starts_with("Bearer") && !challenge.contains("error"), "{challenge}");
        let (status, error) = refusal(without).await;
        assert_eq!((status, &error["code"]), (401, &json!(-31009)), "{name}: {error}");
        let wrong = request.clone().header("Authorization", &guess).send().await;
        let challenge = wrong.header("www-authenticate").expect(name).to_owned();
        assert!(challenge.contains(r#"error="invalid_token""#), "{name}: {challenge}");
        assert_eq!(refusal(wrong).await.0, 401, "{name}");
        let twice =
            request.clone().another("Authorization", &bearer).another("Authorization", &bearer);
        assert_eq!(refusal(twice.send().await).await.0, 400, "{name}: two headers");
        let basic = request.clone().header("Authorization", "Basic Y2k6Y2k=").send().await;
        assert_eq!(refusal(basic).await.0, 401, "{name}: another scheme");
        if !name.starts_with("DELETE") {
            let lower = bearer.replace("Bearer", "bearer");
            let status = request.header("Authorization", &lower).send().await.status;
            assert!(status == 200 || status == 202 || status == 404, "{name}: {status}");
        }
    }
    assert!(client.call("tools/list", &json!({})).await.contains("result"), "the session is alive");
    let server = RawClient::connect_with(&proof, &gateway.server_url("demo")).await;
    let echo = server.call_tool("echo", &json!({"message": "let me in"})).await;
    assert!(echo.contains("let me in"), "{echo}");
    let query = format!("{}?access_token={}", gateway.url(), bearer.replace("Bearer ", ""));
    assert_eq!(refusal(post(&query).send().await).await.0, 400, "a token in the URL");
    for path in ["/health", "/ready"] {
        let open = Request::new("GET", &format!("{}{path}", gateway.origin())).send().await;
        assert_ne!(open.status, 401, "{path}");
    }
    assert_eq!(client.close().await, 200);
}

async fn start(config: &str) -> (ConfigDir, Gateway) {
    let config = directory(config);
    let gateway = Gateway::start(BINARY, config.path()).await;
    (config, gateway)
}

#[tokio::test]
async fn a_session_belongs_to_the_name_of_a_token_and_not_to_its_text() {
    let ((old, old_line), (new, new_line)) = (token("ci"), token("ci"));
    let (other, other_line) = token("cd");
    let config =
        |line: &str| format!("sessions: {{keyFiles: [key]}}\n{}", tokens(&[line, &other_line]));
    let config_dir = directory(&config(&old_line)).file("key", &"01".repeat(32));
    let mut gateway = Gateway::start(BINARY, config_dir.path()).await;
    let client = RawClient::connect_with(&[("Authorization", &old)], gateway.url()).await;
    let session = client.session().expect("a session").to_owned();
    let ping = async |gateway: &Gateway, bearer: &str| {
        let request = post(gateway.url()).header("Mcp-Session-Id", &session);
        request.header("Authorization", bearer).send().await.status
    };
    assert_eq!(ping(&gateway, &old).await, 200);
    assert_eq!(ping(&gateway, &other).await, 404, "somebody else's session");
    assert_eq!(ping(&gateway, &new).await, 401);
    let duplex = RawDuplex::open_sse_with(&[("Authorization", &old)], &gateway.sse_url()).await;
    let theirs = duplex.request("POST").header("Authorization", &other).body(PING);
    assert_eq!(theirs.send().await.status, 404, "somebody else's stream");

    gateway.process().signal(Signal::TERM);
    gateway.process_mut().finished(DEADLINE).await;
    let config_dir =
        config_dir.config(&format!("aggregator: {{exposure: native}}\n{}", config(&new_line)));
    let gateway = Gateway::start(BINARY, config_dir.path()).await;
    assert_eq!(ping(&gateway, &new).await, 200, "a new token of the same name goes on");
    assert_eq!(ping(&gateway, &old).await, 401);
    assert_eq!(ping(&gateway, &other).await, 404);
}

#[tokio::test]
async fn a_trusted_proxy_says_who_is_calling_and_nobody_else_does() {
    let header =
        "trustedProxies: [127.0.0.1]\nauth: {mode: header, header: {teamIDHeader: X-Team}}\n";
    let (_config, gateway) = start(header).await;
    let ann = [("X-MCP-Human-ID", "ann"), ("X-MCP-Agent-ID", "editor"), ("X-Team", "core")];
    let client = RawClient::connect_with(&ann, gateway.url()).await;
    let mut duplex = RawDuplex::open_sse_with(&ann, &gateway.sse_url()).await;
    duplex.initialize("2024-11-05", &json!({})).await;
    for (name, request) in ways(&gateway, &client, &duplex) {
        let named =
            request.clone().header("X-MCP-Human-ID", "ann").header("X-MCP-Agent-ID", "editor");
        for (what, refused) in [
            ("nobody is named", request.clone()),
            ("a team is nobody", request.clone().header("X-Team", "core")),
            ("a token is nobody", request.clone().header("Authorization", "Bearer ann")),
            ("a stranger", named.clone().from(STRANGER)),
            (
                "a stranger's proxy",
                named.clone().from(STRANGER).header("X-Forwarded-For", "127.0.0.1"),
            ),
            ("twice", named.clone().another("X-MCP-Human-ID", "bob")),
            ("too long", named.clone().header("X-MCP-Human-ID", &"a".repeat(257))),
        ] {
            let response = refused.send().await;
            assert_eq!(response.header("www-authenticate"), None, "{name}: {what}");
            let (status, error) = refusal(response).await;
            assert_eq!((status, &error["code"]), (403, &json!(-31009)), "{name}: {what}: {error}");
        }
        let bob = named.header("X-MCP-Human-ID", "bob").send().await.status;
        let expected = if name == "GET /sse" { 200 } else { 404 };
        assert_eq!(bob, expected, "{name}: another person's session");
    }
    let list = client.call("tools/list", &json!({})).await;
    assert!(list.contains("result"), "the session is alive: {list}");
    assert_eq!(client.close().await, 200);
}

#[tokio::test]
async fn wrong_tokens_from_one_address_are_refused_for_a_while() {
    let (bearer, line) = token("ci");
    let limit = "  failureLimit: {perSecond: 0.01, burst: 2}\n";
    let config = format!("trustedProxies: [127.0.0.1]\n{}{limit}", tokens(&[&line]));
    let (_config, gateway) = start(&config).await;
    let ask = async |client: &str, bearer: Option<&str>| {
        let mut request = post(gateway.url()).header("X-Forwarded-For", client);
        if let Some(bearer) = bearer {
            request = request.header("Authorization", bearer);
        }
        request.send().await
    };
    for _ in 0..2 {
        assert_eq!(ask("192.0.2.66", Some("Bearer guess")).await.status, 401);
        assert_eq!(ask("192.0.2.66", None).await.status, 401);
    }
    let refused = ask("192.0.2.66", Some("Bearer guess")).await;
    let after: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=100).contains(&after), "{after}");
    let (status, error) = refusal(refused).await;
    assert_eq!((status, &error["code"]), (429, &json!(-31008)), "{error}");
    assert_eq!(error["data"], json!({"retryAfter": after}));
    assert_eq!(ask("192.0.2.66", None).await.status, 401, "who has none may ask how to get one");
    assert_eq!(ask("192.0.2.1", Some("Bearer guess")).await.status, 401, "another address");
    // A ping without a session gets as far as being told so.
    assert_eq!(ask("192.0.2.66", Some(&bearer)).await.status, 400, "a good token is not a guess");
    gateway.until_metric(r#"portcullis_rate_limited_total{limit="authn""#, |n| n > 0.5).await;
}

#[tokio::test]
async fn no_credential_is_in_a_log_a_metric_or_an_answer() {
    let (bearer, line) = token("ci");
    let config = format!("logging: {{level: trace}}\n{}", tokens(&[&line]));
    let (_config, mut gateway) = start(&config).await;
    let secret = bearer.replace("Bearer ", "");
    let lines = [
        ("Authorization", bearer.as_str()),
        ("Cookie", "session=sesame-1"),
        ("Proxy-Authorization", "Basic sesame-2"),
        ("X-MCP-Human-ID", "sesame-3"),
        ("X-MCP-Agent-Session", "sesame-4"),
    ];
    let client = RawClient::connect_with(&lines, gateway.url()).await;
    let mut said = client.call_tool("x_demo_echo", &json!({"message": "m"})).await;
    for wrong in ["Bearer sesame-5", "Bearer sesame-6!", "sesame-7"] {
        let mut refused =
            client.request("POST").header("Authorization", wrong).body(PING).send().await;
        assert!(refused.status == 400 || refused.status == 401, "{wrong}");
        said += refused.head();
        said += &refused.text().await;
    }
    said += &gateway.metrics_page().await;
    gateway.process().signal(Signal::TERM);
    gateway.process_mut().finished(DEADLINE).await;
    said += &gateway.process().output();
    assert!(said.contains("tool call"), "{said}");
    for hidden in [secret.as_str(), "sesame"] {
        assert!(!said.contains(hidden), "{hidden}: {said}");
    }
}
