//! What belongs to a caller stays theirs, for as long as they may call.

use portcullis_test_support::scenes::{guarded, rest, until_let_in};
use portcullis_test_support::wire::Response;
use portcullis_test_support::{
    ConfigDir, Gateway, IdentityProvider, Peers, RawClient, RawDuplex, within,
};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const APP: &str = IdentityProvider::APP;
const EDITOR: &str = IdentityProvider::EDITOR;

/// A gateway that takes an issuer's tokens, in front of a server that keeps callers waiting.
struct Bench {
    issuer: IdentityProvider,
    gateway: Gateway,
    _config: ConfigDir,
}

impl Bench {
    async fn start(peers: &Peers, more: &[&str]) -> Self {
        Self::limited(peers, more, "").await
    }

    async fn limited(peers: &Peers, more: &[&str], limits: &str) -> Self {
        let issuer = IdentityProvider::with(peers, "ES256").await;
        let config = guarded(issuer.url(), more) + limits;
        let odd = peers.misbehave_stdio();
        let config = ConfigDir::new().config(&config).stdio("odd", &odd, &json!({}));
        let gateway = Gateway::start(BINARY, config.path()).await;
        gateway.until_connected().await;
        let robot = issuer.token(IdentityProvider::ROBOT, "mcp:read", gateway.url()).await;
        until_let_in(gateway.url(), &robot).await;
        Self { issuer, gateway, _config: config }
    }

    fn url(&self) -> &str {
        self.gateway.url()
    }

    async fn token(&self, user: &str, client: &str) -> String {
        self.issuer.user_token(user, client, "mcp:read", self.url()).await.access
    }
}

#[tokio::test]
async fn a_session_goes_on_with_a_refreshed_token_and_with_nobody_elses() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, &[]).await;
    let tokens = bench.issuer.user_token("alice", APP, "mcp:read", bench.url()).await;
    let mut alice = RawClient::connect_as(&tokens.access, bench.url()).await;
    assert_eq!(alice.start("ping", &json!({})).await.response.status, 200);

    let refreshed = bench.issuer.refresh(APP, &tokens, bench.url()).await;
    assert_ne!(refreshed.access, tokens.access);
    alice.set_token(&refreshed.access);
    assert_eq!(alice.start("ping", &json!({})).await.response.status, 200);

    let service = IdentityProvider::SERVICE;
    let strangers = [
        ("another user", bench.token("bob", APP).await),
        ("the same user in another client", bench.token("alice", EDITOR).await),
        ("a service", bench.issuer.token(service, "mcp:read", bench.url()).await),
    ];
    for (name, token) in &strangers {
        for method in ["POST", "GET", "DELETE"] {
            let mut request = alice
                .request(method)
                .header("Authorization", &format!("Bearer {token}"))
                .header("Content-Type", "application/json");
            if method == "POST" {
                request = request.body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
            }
            assert_eq!(request.send().await.status, 404, "{name}: {method}");
        }
        // With a session of their own they are welcome.
        RawClient::connect_as(token, bench.url()).await;
    }
    assert_eq!(alice.start("ping", &json!({})).await.response.status, 200);
    assert_eq!(alice.close().await, 200);
}

/// All that a stream says from now on, and that it ends.
async fn last_words(mut stream: Response) -> String {
    rest(&mut stream).await.pop().unwrap_or_default()
}

#[tokio::test]
async fn streams_end_with_the_token_and_say_why() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, &["leeway: 0s", "streamGrace: 0s"]).await;
    bench.issuer.lifetime(6).await;
    let token = bench.token("alice", APP).await;
    let alice = RawClient::connect_as(&token, bench.url()).await;
    let listening = alice.listen().await;
    assert_eq!(listening.status, 200);
    let call = alice.start("tools/call", &json!({"name": "x_odd_hang", "arguments": {}})).await;
    assert_eq!(call.response.status, 200);

    let (listened, called) = tokio::join!(last_words(listening), last_words(call.response));
    assert!(listened.contains("the access token has expired"), "{listened}");
    assert!(called.contains("the access token has expired"), "{called}");
    assert!(called.contains("-31009"), "{called}");

    // The session itself is still alice's.
    bench.issuer.lifetime(300).await;
    let refused = alice.request("GET").header("Accept", "text/event-stream").send().await;
    assert_eq!(refused.status, 401);
    let mut alice = alice;
    alice.set_token(&bench.token("alice", APP).await);
    assert_eq!(alice.listen().await.status, 200);
}

#[tokio::test]
async fn a_stream_outlives_its_token_by_the_grace() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, &["leeway: 0s", "streamGrace: 1h"]).await;
    bench.issuer.lifetime(3).await;
    let token = bench.token("alice", APP).await;
    let alice = RawClient::connect_as(&token, bench.url()).await;
    let mut stream = alice.listen().await;
    assert_eq!(stream.status, 200);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    within("the end of the token", async {
        while alice.start("ping", &json!({})).await.response.status == 200 {
            ticks.tick().await;
        }
    })
    .await;
    // Comments keep it alive.
    let later = within("a comment", stream.event()).await.expect("the stream is still open");
    assert!(later.message().is_none_or(|said| !said.contains("expired")), "{later:?}");
    let later = within("another", stream.event()).await;
    assert!(later.is_some(), "the stream is still open");
}

#[tokio::test]
async fn a_message_of_somebody_else_does_not_reach_an_open_stream() {
    let Some(peers) = Peers::installed() else { return };
    let bench = Bench::start(&peers, &[]).await;
    let url = bench.gateway.sse_url();
    let alice = bench.issuer.user_token("alice", APP, "mcp:read", &url).await.access;
    let bob = bench.issuer.user_token("bob", APP, "mcp:read", &url).await.access;
    let stream =
        RawDuplex::open_sse_with(&[("Authorization", &format!("Bearer {alice}"))], &url).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (token, status) in [(&bob, 404), (&alice, 202)] {
        let request = stream.request("POST").header("Authorization", &format!("Bearer {token}"));
        assert_eq!(request.body(ping).send().await.status, status);
    }
}

#[tokio::test]
async fn what_a_user_calls_counts_together_whatever_the_token_and_the_client() {
    let Some(peers) = Peers::installed() else { return };
    let limits = "toolLimits: [{tool: hang, per: principal, maxInFlight: 1}]\n";
    let bench = Bench::limited(&peers, &[], limits).await;
    let hang = json!({"name": "x_odd_hang", "arguments": {}});
    let mut held = Vec::new();
    for (user, client, is_refused) in [
        ("alice", APP, false),
        ("alice", APP, true),
        ("alice", EDITOR, true),
        ("bob", APP, false),
        ("bob", EDITOR, true),
    ] {
        let caller = RawClient::connect_as(&bench.token(user, client).await, bench.url()).await;
        let mut call = caller.start("tools/call", &hang).await;
        let is_under_way = call.response.header("content-type") == Some("text/event-stream");
        assert_eq!(is_under_way, !is_refused, "{user} in {client}");
        if is_refused {
            let said = call.response_message().await;
            assert!(
                said.contains("1 calls at a time") && said.contains("for each caller"),
                "{said}"
            );
        } else {
            held.push((caller, call));
        }
    }
}
