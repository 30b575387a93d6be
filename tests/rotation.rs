//! Keys change and issuers fail while many callers ask: no valid token is refused, no other one gets in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_test_support::scenes::{KNOCK, guarded, knock, until_knock_is};
use portcullis_test_support::wire::{Connection, Request, Url};
use portcullis_test_support::{
    ConfigDir, Failure, Forger, Gateway, IdentityProvider, Key, Peers, until, within,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const SERVICE: &str = IdentityProvider::SERVICE;
/// Not so few that nothing happens at one time, and not more than two busy cores get through.
const CALLERS: usize = 16;
const TOKENS: usize = 4;
/// Each caller stops after so many requests, whatever the test is doing.
const MOST: usize = 500;

/// What callers have seen.
#[derive(Default)]
struct Tally {
    passed: AtomicUsize,
    refused: AtomicUsize,
    wrongly_refused: AtomicUsize,
    wrongly_passed: AtomicUsize,
    is_over: AtomicBool,
}

impl Tally {
    fn count(&self, is_valid: bool, status: u16) {
        let counter = match (is_valid, status) {
            (true, 200) => &self.passed,
            (true, _) => {
                eprintln!("a valid token got {status}");
                &self.wrongly_refused
            }
            // While the issuer cannot be asked, nobody can tell a made-up key from a new one.
            (false, 401 | 503) => &self.refused,
            (false, _) => &self.wrongly_passed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks again and again over one connection, with each token in its turn.
async fn ask(url: String, tokens: Arc<[(bool, String)]>, offset: usize, tally: Arc<Tally>) {
    let authority = Url::parse(&url).authority;
    let mut connection = Connection::open(&authority).await;
    for at in 0..MOST {
        if tally.is_over.load(Ordering::Relaxed) {
            return;
        }
        let (is_valid, token) = &tokens[(at + offset) % tokens.len()];
        let request = Request::new("POST", &url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Authorization", &format!("Bearer {token}"))
            .body(KNOCK);
        connection.write(&request.to_bytes()).await;
        let mut response = connection.response().await;
        tally.count(*is_valid, response.status);
        response.bytes().await;
        connection = response.into_connection();
    }
}

/// Who asks, and what they have seen.
struct Callers {
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Callers {
    /// Waits until they have seen so many more answers of both kinds, under whatever happens now.
    async fn go_on(&self, more: usize) {
        let seen = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let Tally { passed, refused, .. } = &*self.tally;
        let enough = (seen(passed) + more, seen(refused) + more);
        let has_enough = || seen(passed) >= enough.0 && seen(refused) >= enough.1;
        until("more answers of both kinds", has_enough).await;
    }

    /// Ends them; what they saw was right.
    async fn end(mut self) {
        self.tally.is_over.store(true, Ordering::Relaxed);
        within("the end of the callers", async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("a caller gets answers");
            }
        })
        .await;
        let seen = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        assert_eq!(seen(&self.tally.wrongly_refused), 0, "valid tokens that were refused");
        assert_eq!(seen(&self.tally.wrongly_passed), 0, "invalid tokens that were not refused");
        assert!(seen(&self.tally.passed) > 0 && seen(&self.tally.refused) > 0);
    }
}

/// A gateway that takes an issuer's tokens.
struct Gate {
    issuer: IdentityProvider,
    gateway: Gateway,
    _config: ConfigDir,
}

/// What a good token says.
fn claims(issuer: &IdentityProvider, gateway: &Gateway) -> Value {
    let now = Forger::now();
    json!({
        "iss": issuer.url(), "aud": gateway.url(), "sub": SERVICE, "client_id": SERVICE,
        "iat": now, "exp": now + 300, "scope": "mcp:read",
    })
}

/// More wrong proofs than these come from no test.
const NO_LIMIT: &str = "failureLimit: {perSecond: 100000, burst: 100000}";

impl Gate {
    /// No clock is wrong here, and a token that has expired has done so.
    async fn begin(peers: &Peers, algorithm: &str, jwks: &str) -> Self {
        let issuer = IdentityProvider::with(peers, algorithm).await;
        let jwks = format!("jwks: {{{jwks}}}");
        let config =
            ConfigDir::new().config(&guarded(issuer.url(), &[&jwks, NO_LIMIT, "leeway: 0s"]));
        let gateway = Gateway::start(BINARY, config.path()).await;
        Self { issuer, gateway, _config: config }
    }

    /// New tokens of the issuer's present key.
    async fn tokens(&self, count: usize) -> Vec<(bool, String)> {
        let mut tokens = Vec::new();
        for _ in 0..count {
            tokens.push((true, self.issuer.token(SERVICE, "mcp:read", self.gateway.url()).await));
        }
        tokens
    }

    /// Tokens that nobody may get in with: two forged ones, an expired one, and one for somebody else.
    async fn bad_tokens(&self) -> Vec<(bool, String)> {
        self.issuer.lifetime(1).await;
        let expired = self.issuer.token(SERVICE, "mcp:read", self.gateway.url()).await;
        self.issuer.lifetime(300).await;
        let elsewhere = self.issuer.token(SERVICE, "mcp:read", "http://127.0.0.1:1/mcp").await;
        let (start, _) = elsewhere.rsplit_once('.').expect("a JWT");
        let (_, other) = expired.rsplit_once('.').expect("a JWT");
        let forged = format!("{start}.{other}");
        let stranger = Forger::new().token(Key::Ec, &claims(&self.issuer, &self.gateway));
        until_knock_is(self.gateway.url(), Some(&expired), 401).await;
        [forged, stranger, expired, elsewhere].map(|token| (false, token)).into()
    }

    /// Lets `CALLERS` callers ask with tokens of now.
    async fn send_callers(&self) -> Callers {
        let bad = self.bad_tokens().await;
        let callers = Callers { tasks: JoinSet::new(), tally: Arc::default() };
        let mut tasks = callers.tasks;
        for offset in 0..CALLERS {
            let tokens = [self.tokens(TOKENS).await, bad.clone()].concat();
            let (url, tally) = (self.gateway.url().to_owned(), Arc::clone(&callers.tally));
            tasks.spawn(ask(url, tokens.into(), offset, tally));
        }
        Callers { tasks, ..callers }
    }
}

#[tokio::test]
async fn under_load_keys_change_and_the_issuer_fails_and_returns() {
    let Some(peers) = Peers::installed() else { return };
    let gate = Gate::begin(&peers, "ES256", "refresh: 1s, grace: 5m, coolDown: 1s").await;
    let [(_, oldest)] = &gate.tokens(1).await[..] else { panic!("one token") };
    until_knock_is(gate.gateway.url(), Some(oldest), 200).await;
    let first = gate.send_callers().await;
    first.go_on(100).await;

    // The new key is not known before the first token that it has signed comes.
    gate.issuer.rotate(false).await;
    let second = gate.send_callers().await;
    first.go_on(100).await;
    second.go_on(100).await;
    first.end().await;

    gate.issuer.retire().await;
    until_knock_is(gate.gateway.url(), Some(oldest), 401).await;
    second.go_on(100).await;

    for how in [Failure::Busy, Failure::Gone, Failure::Mute] {
        gate.issuer.fail(how).await;
        second.go_on(100).await;
        gate.issuer.heal().await;
        second.go_on(20).await;
    }
    second.end().await;
}

#[tokio::test]
async fn what_a_dropped_key_has_signed_is_refused_from_then_on() {
    let Some(peers) = Peers::installed() else { return };
    let gate = Gate::begin(&peers, "EdDSA", "refresh: 1s, coolDown: 1s").await;
    let old = gate.tokens(3).await;
    for (_, token) in &old {
        until_knock_is(gate.gateway.url(), Some(token), 200).await;
    }
    // The same tokens again: by now their verdicts are remembered.
    for (_, token) in &old {
        assert_eq!(knock(gate.gateway.url(), Some(token)).await.status, 200);
    }
    gate.issuer.rotate(true).await;
    for (_, token) in &old {
        until_knock_is(gate.gateway.url(), Some(token), 401).await;
        let refused = knock(gate.gateway.url(), Some(token)).await;
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    for (_, token) in gate.tokens(3).await {
        assert_eq!(knock(gate.gateway.url(), Some(&token)).await.status, 200);
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_costs_no_more_than_patience() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    issuer.fail(Failure::Gone).await;
    let config = ConfigDir::new().config(&guarded(issuer.url(), &["jwks: {refresh: 1s}"]));
    let gateway = Gateway::start(BINARY, config.path()).await;
    // Nobody can tell yet what it is worth.
    let unchecked = Forger::new().token(Key::Rsa, &claims(&issuer, &gateway));
    let refused = knock(gateway.url(), Some(&unchecked)).await;
    assert_eq!(refused.status, 503);
    let wait = refused.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| seconds > 0), "{}", refused.head());
    assert_eq!(refused.header("www-authenticate"), None, "{}", refused.head());
    assert_eq!(knock(gateway.url(), None).await.status, 401);
    let health = Request::new("GET", &format!("{}/health", gateway.origin())).send().await;
    assert_eq!(health.status, 200);

    issuer.heal().await;
    let token = issuer.token(SERVICE, "mcp:read", gateway.url()).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    within("the issuer's token to pass", async {
        loop {
            ticks.tick().await;
            match knock(gateway.url(), Some(&token)).await.status {
                200 => break,
                status => assert_eq!(status, 503, "never a misleading 401"),
            }
        }
    })
    .await;
    assert_eq!(knock(gateway.url(), Some(&unchecked)).await.status, 401);
}

#[tokio::test]
async fn an_issuer_that_is_down_too_long_lets_nobody_in_until_it_is_back() {
    let Some(peers) = Peers::installed() else { return };
    let gate = Gate::begin(&peers, "RS256", "refresh: 1s, grace: 2s, coolDown: 1s").await;
    let tokens = gate.tokens(3).await;
    for (_, token) in &tokens {
        until_knock_is(gate.gateway.url(), Some(token), 200).await;
    }
    gate.issuer.fail(Failure::Gone).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for (_, token) in &tokens {
        within("the end of the grace", async {
            loop {
                ticks.tick().await;
                match knock(gate.gateway.url(), Some(token)).await.status {
                    503 => break,
                    status => assert_eq!(status, 200, "never a misleading 401"),
                }
            }
        })
        .await;
    }
    // From now on nobody, with a verdict that is remembered or with none.
    for (_, token) in &tokens {
        let refused = knock(gate.gateway.url(), Some(token)).await;
        assert_eq!(refused.status, 503);
        assert!(refused.header("retry-after").is_some(), "{}", refused.head());
    }
    gate.issuer.heal().await;
    for (_, token) in &tokens {
        until_knock_is(gate.gateway.url(), Some(token), 200).await;
    }
}

#[tokio::test]
async fn garbage_makes_nobody_hammer_the_issuer() {
    let Some(peers) = Peers::installed() else { return };
    let gate = Gate::begin(&peers, "RS256", "refresh: 1h, coolDown: 5m").await;
    let [(_, good)] = &gate.tokens(1).await[..] else { panic!("one token") };
    until_knock_is(gate.gateway.url(), Some(good), 200).await;
    let before = gate.issuer.requests().await["/jwks"];
    let (forger, claims) = (Forger::new(), claims(&gate.issuer, &gate.gateway).to_string());
    for number in 0..100 {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("key-{number}")});
        let token = forger.seal(Key::Ec, header.to_string(), &claims);
        assert_ne!(knock(gate.gateway.url(), Some(&token)).await.status, 200);
    }
    let asked = gate.issuer.requests().await["/jwks"] - before;
    assert!(asked <= 1, "100 unknown keys were looked for {asked} times");
    assert_eq!(knock(gate.gateway.url(), Some(good)).await.status, 200);
}
