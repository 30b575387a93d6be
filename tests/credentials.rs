//! What proves who a caller is goes no further than the gate: not to a backend, a log, a metric or an error.

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use portcullis::authn::Digest;
use portcullis_test_support::scenes::KNOCK;
use portcullis_test_support::wire::Request;
use portcullis_test_support::{
    Answer, ConfigDir, Forger, Gateway, Key, Loopback, Peers, RawClient, Received, Recorder, within,
};
use serde_json::json;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// Headers that clients and proxies send, each with a value that stands nowhere else.
const HEADERS: [(&str, &str); 11] = [
    ("Cookie", "sid=canary-cookie-5b1f0c77"),
    ("Proxy-Authorization", "Basic canary-proxy-0d7e2a91"),
    ("X-MCP-Human-ID", "canary-human-3c9a6be2"),
    ("X-MCP-Agent-ID", "canary-agent-77f1d0a4"),
    ("X-MCP-Team-ID", "canary-team-e2b85c10"),
    ("X-Forwarded-User", "canary-user-91ac4d3e"),
    ("X-Forwarded-Email", "canary-mail-6f20b8d5"),
    ("X-Forwarded-Access-Token", "canary-forwarded-a8c3e519"),
    ("X-Auth-Request-User", "canary-request-4be7d206"),
    ("X-Api-Key", "canary-key-c15d9f38"),
    ("X-Amzn-Oidc-Data", "canary-oidc-28e6b7fa"),
];
/// Where the request came from is no secret, but it is nobody's business behind the gate.
const ADDRESSES: [(&str, &str); 2] =
    [("X-Forwarded-For", "192.0.2.177"), ("X-Real-IP", "192.0.2.178")];

/// The ways to prove who one is, and what they keep running.
struct Way {
    name: &'static str,
    auth: String,
    /// The value of `Authorization`, once the gateway's URL is known.
    proof: Box<dyn Fn(&str) -> String>,
    _issuer: Option<Loopback>,
}

impl Way {
    async fn all() -> [Self; 3] {
        let forger = Forger::new();
        let keys = forger.jwks();
        let issuer = Loopback::start(|url| {
            let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
            move |request: &Received| match &*request.target {
                "/jwks" => Answer::json(&keys),
                _ => Answer::json(&metadata),
            }
        })
        .await;
        let url = issuer.url();
        let oauth =
            format!("mode: oauth, issuers: [{{issuer: \"{url}\", allowPrivateIPJWKS: true}}]");
        let now = Forger::now();
        let token = move |audience: &str| {
            let claims = json!({
                "iss": url, "aud": audience, "sub": "canary-subject-b6d01e94", "exp": now + 600,
                "client_id": "canary-client-1f7c5a82", "iat": now, "scope": "canary-scope-93e8d7b0",
                "groups": ["canary-group-5da2f06c"],
            });
            format!("Bearer {}", forger.token(Key::Ed, &claims))
        };
        let fixed = "canary-static-token-7e1b94d60fa3c258";
        let digest = Digest::of(fixed.as_bytes());
        let tokens = format!("mode: tokens, tokens: [{{name: robot, sha256: \"{digest}\"}}]");
        let fixed = move |_: &str| format!("Bearer {fixed}");
        let odd = |_: &str| "Bearer canary-beside-the-proxy-c83d".to_owned();
        [
            Self { name: "oauth", auth: oauth, proof: Box::new(token), _issuer: Some(issuer) },
            Self { name: "tokens", auth: tokens, proof: Box::new(fixed), _issuer: None },
            Self {
                name: "header",
                auth: "mode: header".into(),
                proof: Box::new(odd),
                _issuer: None,
            },
        ]
    }
}

/// What must not be found: a value, its parts, and both as they look inside of base64.
struct Needles(Vec<(String, String)>);

impl Needles {
    fn of(values: &[(&str, &str)]) -> Self {
        let mut needles = Vec::new();
        for (name, value) in values {
            // A scheme or a cookie's name is no secret.
            let value = value.rsplit([' ', '=']).next().unwrap_or(value);
            for part in [value].into_iter().chain(value.split('.').filter(|it| it.len() > 20)) {
                needles.push((name.to_string(), part.to_owned()));
                for encoded in encodings(part) {
                    needles.push((format!("{name} in base64"), encoded));
                }
            }
        }
        Self(needles)
    }

    fn assert_absent(&self, place: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        for (name, needle) in &self.0 {
            let found = text.find(&needle.to_ascii_lowercase());
            let around = found.map(|at| text[at.saturating_sub(200)..].chars().take(500));
            let around = around.map(Iterator::collect::<String>);
            assert_eq!(around, None, "{place} has the value of {name}");
        }
    }
}

/// The part of a text in base64 that is the same whatever stands around it, for each of three positions.
fn encodings(text: &str) -> Vec<String> {
    let engines = [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD];
    let at = |offset: usize| {
        let shifted = [vec![b' '; offset], text.as_bytes().to_vec()].concat();
        engines.map(|engine| {
            let encoded = engine.encode(&shifted);
            encoded[4.min(encoded.len())..encoded.len().saturating_sub(4)].to_owned()
        })
    };
    (0..3).flat_map(at).collect()
}

/// A gateway with everything in its log, in front of two servers that keep what they are told.
struct Bench {
    gateway: Gateway,
    http: Recorder,
    files: TempDir,
    _config: ConfigDir,
}

impl Bench {
    async fn start(peers: &Peers, auth: &str) -> Self {
        let (http, files) = (Recorder::start().await, TempDir::new().expect("a directory"));
        let line = peers.offer_stdio(&json!([{"name": "keep", "inputSchema": {"type": "object"}}]));
        let stdio = json!({
            "type": "stdio", "command": line[0], "args": line[1..], "autoStart": true,
            "env": {"RECORD": files.path().join("record")},
        });
        // A proxy that is trusted says who is calling; without it, the same headers are a stranger's.
        let proxies = if auth.contains("header") { "[127.0.0.0/8]" } else { "[]" };
        let config = format!(
            "aggregator: {{exposure: native}}\ntrustedProxies: {proxies}\n\
             logging: {{level: trace, format: json}}\nauth: {{{auth}}}\n"
        );
        let config = ConfigDir::new()
            .config(&config)
            .http("web", &http.url(), &json!({}))
            .server("pipe", &stdio);
        let gateway = Gateway::start(BINARY, config.path()).await;
        gateway.until_connected().await;
        Self { gateway, http, files, _config: config }
    }

    /// All that its servers, its operators and its callers get to see, by name; `answers` are the latter's.
    async fn places(&self, answers: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
        let record = std::fs::read(self.files.path().join("record")).expect("a record");
        let ready = format!("{}/ready?verbose", self.gateway.metrics_origin());
        vec![
            ("a server over HTTP", self.http.bytes()),
            ("a server over stdio", record),
            ("the log", self.gateway.process().output().into_bytes()),
            ("the metrics", self.gateway.metrics_page().await.into_bytes()),
            ("the readiness page", Request::new("GET", &ready).send().await.bytes().await),
            ("an answer", answers),
        ]
    }
}

/// Does what a client can do, right and wrong, and returns all that it was told.
async fn use_it(gateway: &Gateway, headers: &[(&str, &str)]) -> Vec<u8> {
    let client = RawClient::connect_with(headers, gateway.url()).await;
    let mut told = client.hello().as_bytes().to_vec();
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "x_web_note", "arguments": {"a": 1}})),
        ("tools/call", json!({"name": "x_pipe_keep", "arguments": {"a": 1}})),
        ("tools/call", json!({"name": "x_web_unknown", "arguments": {}})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x_web_hint"})),
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "note://one"})),
        ("tools/call", json!("not an object")),
        ("no/such/method", json!({})),
    ] {
        told.extend(client.call(method, &params).await.into_bytes());
    }
    // What is refused is refused without a word of what came.
    let url = gateway.url();
    let mut wrong = vec![
        Request::new("POST", &format!("{url}?access_token=canary-query-f05b7c9d")).body(KNOCK),
        Request::new("POST", &format!("{}/servers/none/mcp", gateway.origin())).body(KNOCK),
        Request::new("POST", url).body("{\"jsonrpc\":"),
        Request::new("PUT", url).body(KNOCK),
    ];
    let bad = "Bearer canary-wrong-token-60e2d8b1";
    wrong.push(Request::new("POST", url).header("Authorization", bad).body(KNOCK));
    wrong
        .push(Request::new("POST", url).header("Authorization", "Bearer canary wrong").body(KNOCK));
    for mut request in wrong {
        request = request
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        for (name, value) in headers {
            if *name != "Authorization" {
                request = request.header(name, value);
            }
        }
        let mut response = request.send().await;
        told.extend(response.head().as_bytes());
        told.extend(response.bytes().await);
    }
    client.close().await;
    told
}

async fn until_let_in(way: &str, gateway: &Gateway, headers: &[(&str, &str)]) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    within(&format!("{way}: to be let in"), async {
        loop {
            let mut request = Request::new("POST", gateway.url())
                .header("Accept", "application/json, text/event-stream")
                .header("Content-Type", "application/json")
                .body(KNOCK);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if request.send().await.status == 200 {
                break;
            }
            ticks.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_credential_of_a_caller_is_found_anywhere_behind_the_gate() {
    let Some(peers) = Peers::installed() else { return };
    for way in Way::all().await {
        let bench = Bench::start(&peers, &way.auth).await;
        let proof = (way.proof)(bench.gateway.url());
        let proven = [("Authorization", &*proof)];
        let headers = [&proven[..], &HEADERS[..], &ADDRESSES[..]].concat();
        until_let_in(way.name, &bench.gateway, &headers).await;
        let told = use_it(&bench.gateway, &headers).await;
        assert!(bench.http.calls() > 0, "{}: the server was called", way.name);

        let mut secrets = [&proven[..], &HEADERS[..]].concat();
        secrets.extend([
            ("the query", "canary-query-f05b7c9d"),
            ("a wrong token", "canary-wrong-token-60e2d8b1"),
            ("a claim", "canary-subject-b6d01e94"),
            ("a claim", "canary-client-1f7c5a82"),
            ("a claim", "canary-scope-93e8d7b0"),
            ("a claim", "canary-group-5da2f06c"),
        ]);
        let secrets = Needles::of(&secrets);
        for (place, text) in bench.places(told).await {
            assert!(!text.is_empty(), "{}: {place} is empty", way.name);
            secrets.assert_absent(&format!("{}: {place}", way.name), &text);
        }
        let addresses = Needles::of(&ADDRESSES);
        addresses.assert_absent(way.name, &bench.http.bytes());
    }
}

#[test]
fn a_value_is_found_in_every_disguise() {
    let needles = Needles::of(&[("a header", "Basic canary-proxy-0d7e2a91")]);
    let value = "canary-proxy-0d7e2a91";
    let mut disguises = vec![value.to_owned(), value.to_uppercase(), format!("a: \"{value}\"")];
    for before in ["", "a", "ab", "user:", "{\"token\":\""] {
        disguises.push(BASE64_STANDARD.encode(format!("{before}{value}:more")));
    }
    for disguise in disguises {
        let found =
            std::panic::catch_unwind(|| needles.assert_absent("a place", disguise.as_bytes()));
        assert!(found.is_err(), "{disguise}");
    }
    needles.assert_absent("a place", b"nothing of it");
}
