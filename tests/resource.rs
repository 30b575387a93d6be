//! What the gateway tells clients that have no token: challenges, and the metadata of a protected resource (RFC 9728).

use portcullis::app::load::load;
use portcullis::config::Environment;
use portcullis_test_support::wire::{Request, Response};
use portcullis_test_support::{ConfigDir, Gateway};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// Nothing listens there, and who has no token is refused before a key is needed.
const OAUTH: &str = "auth: {mode: oauth, issuers: [{issuer: 'http://127.0.0.1:1/tenant/'}], scopes: {required: [mcp]}}\n";

async fn gateway(config: &str) -> (ConfigDir, Gateway) {
    let config = ConfigDir::new().config(config);
    let gateway = Gateway::start(BINARY, config.path()).await;
    (config, gateway)
}

async fn get(gateway: &Gateway, path: &str, lines: &[(&str, &str)]) -> Response {
    ask(gateway, "GET", path, lines).await
}

async fn ask(gateway: &Gateway, method: &str, path: &str, lines: &[(&str, &str)]) -> Response {
    let mut request = Request::new(method, &format!("{}{path}", gateway.origin()));
    for (name, value) in lines {
        request = request.header(name, value);
    }
    request.send().await
}

async fn metadata(mut response: Response) -> Value {
    let text = response.text().await;
    assert_eq!(response.status, 200, "{text}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn every_endpoint_tells_where_to_get_a_token() {
    let (_config, gateway) = gateway(OAUTH).await;
    let origin = gateway.origin();
    for (path, resource) in [
        ("/mcp", "/mcp"),
        ("/servers/demo/mcp", "/servers/demo/mcp"),
        ("/sse", "/sse"),
        ("/message?sessionId=00112233445566778899aabbccddeeff", "/sse"),
        ("/ready?verbose", "/mcp"),
    ] {
        let url = format!("{origin}{WELL_KNOWN}{resource}");
        for method in ["POST", "GET", "DELETE", "HEAD"] {
            let mut refused = ask(&gateway, method, path, &[("Accept", "text/event-stream")]).await;
            assert_eq!(refused.status, 401, "{method} {path}");
            let expected = format!("Bearer resource_metadata=\"{url}\", scope=\"mcp\"");
            assert_eq!(refused.header("www-authenticate"), Some(&*expected), "{method} {path}");
            if method != "HEAD" {
                let body: Value = serde_json::from_str(&refused.text().await).expect("JSON");
                assert_eq!(body["error"]["code"], -31009, "{method} {path}");
            }
        }
        let preflight = [
            ("Origin", "http://localhost:6274"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,mcp-session-id"),
        ];
        let preflight = ask(&gateway, "OPTIONS", path, &preflight).await;
        assert_eq!(preflight.status, 200, "a preflight has no token: {path}");
        let found = metadata(Request::new("GET", &url).send().await).await;
        assert_eq!(found["resource"], format!("{origin}{resource}"));
        assert_eq!(found["authorization_servers"], json!(["http://127.0.0.1:1/tenant/"]));
    }
    let page = ask(&gateway, "POST", "/mcp", &[("Origin", "http://localhost:6274")]).await;
    assert_eq!(page.status, 401);
    let exposed = page.header("access-control-expose-headers").expect("a list");
    assert!(exposed.contains("www-authenticate"), "{exposed}");
}

#[tokio::test]
async fn a_path_cannot_write_into_a_challenge() {
    let (_config, gateway) = gateway(OAUTH).await;
    for name in ["a\"b", "a%22b", "..", "A", "\u{e4}"] {
        let refused = ask(&gateway, "POST", &format!("/servers/{name}/mcp"), &[]).await;
        assert_eq!(refused.status, 401, "{name}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer scope=\"mcp\""), "{name}");
        let unknown = get(&gateway, &format!("{WELL_KNOWN}/servers/{name}/mcp"), &[]).await;
        assert_eq!(unknown.status, 404, "{name}");
    }
}

#[tokio::test]
async fn metadata_is_for_everybody_and_says_nothing_of_servers() {
    let (_config, gateway) = gateway(OAUTH).await;
    let mut main = get(&gateway, WELL_KNOWN, &[]).await;
    let text = main.text().await;
    let expected = json!({
        "resource": gateway.url(),
        "authorization_servers": ["http://127.0.0.1:1/tenant/"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp"],
        "resource_name": "Portcullis",
    });
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected);
    assert_eq!(main.header("cache-control"), Some("no-store"), "its host is the request's");
    let head = ask(&gateway, "HEAD", WELL_KNOWN, &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some(&*text.len().to_string()));
    for method in ["POST", "DELETE", "PUT"] {
        let refused = ask(&gateway, method, WELL_KNOWN, &[]).await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let page = [("Origin", "https://app.example")];
    let read = get(&gateway, &format!("{WELL_KNOWN}/mcp"), &page).await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some(page[0].1)));
    let preflight = [
        page[0],
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "mcp-protocol-version"),
    ];
    let preflight = ask(&gateway, "OPTIONS", &format!("{WELL_KNOWN}/mcp"), &preflight).await;
    let allowed = ["access-control-allow-origin", "access-control-allow-headers"];
    let allowed = allowed.map(|name| preflight.header(name));
    assert_eq!(allowed, [Some("https://app.example"), Some("mcp-protocol-version")]);

    let nobody = get(&gateway, &format!("{WELL_KNOWN}/servers/nobody/mcp"), &[]).await;
    let resource = format!("{}/servers/nobody/mcp", gateway.origin());
    assert_eq!(metadata(nobody).await["resource"], resource, "no word on whether there is one");
    for suffix in ["/message", "/health", "/nothing", "/mcp/", "s"] {
        let unknown = get(&gateway, &format!("{WELL_KNOWN}{suffix}"), &[]).await;
        assert_eq!(unknown.status, 404, "{suffix}");
    }
    let counted = r#"portcullis_http_requests_total{method="GET",route="well-known""#;
    gateway.until_metric(counted, |count| count > 0.5).await;
}

#[tokio::test]
async fn a_public_url_is_all_that_counts() {
    let config = format!(
        "aggregator: {{publicUrl: 'https://gate.example/gw/'}}\ntrustedProxies: [127.0.0.1]\n{OAUTH}"
    );
    let (_config, gateway) = gateway(&config).await;
    let forged = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
        ("Forwarded", "host=evil.example;proto=http"),
    ];
    for (path, resource) in [
        ("", "/mcp"),
        ("/gw", "/mcp"),
        ("/mcp", "/mcp"),
        ("/gw/mcp", "/mcp"),
        ("/gw/sse", "/sse"),
        ("/gw/servers/demo/mcp", "/servers/demo/mcp"),
    ] {
        let response = get(&gateway, &format!("{WELL_KNOWN}{path}"), &forged).await;
        assert_eq!(response.header("cache-control"), Some("public, max-age=300"), "{path}");
        let resource = format!("https://gate.example/gw{resource}");
        assert_eq!(metadata(response).await["resource"], resource, "{path}");
    }
    let refused = ask(&gateway, "POST", "/mcp", &forged).await;
    let challenge = refused.header("www-authenticate").expect("a challenge");
    let url = format!("https://gate.example{WELL_KNOWN}/gw/mcp");
    assert!(challenge.contains(&format!("resource_metadata=\"{url}\"")), "{challenge}");
}

#[tokio::test]
async fn a_forwarded_host_counts_from_a_trusted_proxy_and_from_nobody_else() {
    let told = [("X-Forwarded-Host", "gate.example"), ("X-Forwarded-Proto", "https")];
    let disagreeing = [told[0], told[1], ("Forwarded", "host=evil.example;proto=http")];
    let broken = [("X-Forwarded-Host", "gate.example\", x=\"y"), ("X-Forwarded-Proto", "ftp")];
    for (proxies, lines, resource) in [
        ("127.0.0.0/8", &told[..], Some("https://gate.example/mcp")),
        ("127.0.0.0/8", &disagreeing, None),
        ("127.0.0.0/8", &broken, None),
        ("10.0.0.0/8", &told, None),
    ] {
        let (_config, gateway) = gateway(&format!("trustedProxies: [{proxies}]\n{OAUTH}")).await;
        let own = format!("{}/mcp", gateway.origin());
        let found = metadata(get(&gateway, &format!("{WELL_KNOWN}/mcp"), lines).await).await;
        assert_eq!(found["resource"], resource.unwrap_or(&own), "{proxies} {lines:?}");
        let refused = ask(&gateway, "POST", "/mcp", lines).await;
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert_eq!(challenge.contains("https://gate.example"), resource.is_some(), "{challenge}");
    }
}

#[tokio::test]
async fn the_main_endpoint_of_the_old_transport_is_its_own() {
    let config = format!("aggregator: {{transport: sse}}\n{OAUTH}");
    let (_config, gateway) = gateway(&config).await;
    let found = metadata(get(&gateway, WELL_KNOWN, &[]).await).await;
    assert_eq!(found["resource"], format!("{}/sse", gateway.origin()));
}

#[tokio::test]
async fn other_modes_have_no_metadata_and_say_so() {
    let (_config, gateway) = gateway("").await;
    for path in ["", "/mcp"] {
        let mut response = get(&gateway, &format!("{WELL_KNOWN}{path}"), &[]).await;
        assert_eq!(response.status, 404, "{path}");
        let body: Value = serde_json::from_str(&response.text().await).expect("JSON");
        let message = "there is no protected resource metadata: auth.mode is none";
        assert_eq!(body["error"]["message"], message, "{path}");
    }
}

#[test]
fn a_stream_cannot_be_told_to_outlive_its_token_for_long() {
    let load = |grace: &str| {
        let config = ConfigDir::new().config(&format!("auth: {{streamGrace: {grace}}}\n"));
        load(Some(config.path()), &Environment::default()).map_err(|it| it.to_string())
    };
    let grace = load("1h").expect("an hour is fine").config.auth.stream_grace;
    assert_eq!(grace, std::time::Duration::from_hours(1));
    let refused = load("1h1s").expect_err("an hour is the most");
    assert!(refused.contains("auth.streamGrace"), "{refused}");
}

#[test]
fn a_gateway_that_others_reach_has_to_know_what_it_is_called() {
    let load = |aggregator: &str, http: &str, issuer: &str| {
        let config = format!(
            "aggregator: {{{aggregator}}}\nhttp: {{{http}}}\n\
             auth: {{mode: oauth, issuers: [{{issuer: 'https://login.example', {issuer}}}]}}\n"
        );
        let directory = ConfigDir::new().config(&config);
        load(Some(directory.path()), &Environment::default()).map_err(|it| it.to_string())
    };
    let open = "host: 0.0.0.0";
    let refused = load(open, "", "").expect_err("nobody knows which host is ours");
    assert!(refused.contains("aggregator.publicUrl: is missing"), "{refused}");
    for (aggregator, http, issuer) in [
        ("host: localhost", "", ""),
        ("host: 0.0.0.0, publicUrl: 'https://gate.example'", "", ""),
        (open, "allowedHosts: [gate.example]", ""),
        (open, "", "allowedAudiences: [portcullis]"),
    ] {
        if let Err(refused) = load(aggregator, http, issuer) {
            panic!("{aggregator} {http} {issuer}: {refused}");
        }
    }
}
