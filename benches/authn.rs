//! What it costs to know who sends a request, for a token that was seen before.
//!
//! `cargo bench --bench authn`; `loadtest/callgrind-authn` counts instructions. Figures are in
//! `loadtest/results/authn.md`.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use divan::Bencher;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request};
use portcullis::authn::{
    Answer, Asked, Authenticator, Config, Digest, Issuer, Mode, Origin, Resources, Surroundings,
    Token,
};
use portcullis::call::Names;
use portcullis::outbound::Trust;
use portcullis::server::Peer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

fn main() {
    divan::main();
}

/// A gate and a client with a token for it.
struct Scene {
    runtime: Runtime,
    _keys: Option<TempDir>,
    authenticator: Authenticator,
    peer: Peer,
    request: Request<()>,
}

impl Scene {
    fn new(keys: Option<TempDir>, config: &Config, token: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let around = Surroundings {
            trust: Arc::new(Trust::new(&[]).expect("roots")),
            runtime: runtime.handle().clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let public = "https://gate.example".parse().expect("a URL");
        let resources = Arc::new(Resources::new(Some(public)));
        let authenticator = Authenticator::new(config, &Names::default(), resources, &around);
        let mut request = Request::new(());
        *request.uri_mut() = "/mcp".parse().expect("a path");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("gate.example"));
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
        headers.insert(AUTHORIZATION, bearer);
        let peer = Peer::plain(([127, 0, 0, 1], 1).into());
        Self { runtime, _keys: keys, authenticator, peer, request }
    }

    /// With a static token of 47 bytes.
    fn tokens() -> Self {
        let text = "pc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
        let digest = Digest::of(text.as_bytes());
        let token = Token { name: "ci".into(), digest, ..Token::default() };
        Self::new(
            None,
            &Config { mode: Mode::Tokens, tokens: vec![token], ..Config::default() },
            text,
        )
    }

    /// With a JWT of about 1 KiB, which was looked at.
    fn jwt() -> Self {
        let (jwks, token) = issued();
        let keys = tempfile::tempdir().expect("a directory");
        let file = keys.path().join("jwks.json");
        fs::write(&file, jwks.to_string()).expect("a file");
        let issuer = Issuer { issuer: ISSUER.into(), jwks_file: Some(file), ..Issuer::default() };
        let config = Config { mode: Mode::Oauth, issuers: vec![issuer], ..Config::default() };
        let scene = Self::new(Some(keys), &config, &token);
        for _ in 0..1000 {
            let found = match scene.authenticate(true) {
                Answer::Now(found) => found,
                Answer::Later(found) => scene.runtime.block_on(found),
            };
            if found.is_ok() {
                scene.authenticate(true);
                return scene;
            }
            // The file is read in the background.
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the token does not get in");
    }

    #[inline(never)]
    fn authenticate(&self, is_remembered: bool) -> Answer {
        self.authenticator.authenticate(&Asked {
            headers: self.request.headers(),
            uri: self.request.uri(),
            address: None,
            is_proxied: false,
            certificate: None,
            memory: is_remembered.then(|| self.peer.memory()),
            origin: Origin { scheme: "http", authority: "gate.example" },
        })
    }
}

const ISSUER: &str = "https://login.example";

/// An issuer's keys, and a token.
fn issued() -> (Value, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let public = pair.public_key().as_ref();
    let (x, y) = public[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwks = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
        "x": encode(x), "y": encode(y),
    }]});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let groups: Vec<_> = (0..24).map(|count| format!("department-{count}")).collect();
    let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "1"});
    let claims = json!({
        "iss": ISSUER, "aud": "https://gate.example/mcp", "sub": "alice", "client_id": "client",
        "iat": now, "exp": now + 3600, "jti": "1", "scope": "mcp:call", "groups": groups,
    });
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    (jwks, format!("{signed}.{}", encode(signature.as_ref())))
}

/// The same token on the same connection.
#[divan::bench]
fn remembered_jwt(bencher: Bencher<'_, '_>) {
    let scene = Scene::jwt();
    bencher.bench(|| black_box(scene.authenticate(true)));
}

/// The same token on another connection: one digest.
#[divan::bench]
fn cached_jwt(bencher: Bencher<'_, '_>) {
    let scene = Scene::jwt();
    bencher.bench(|| black_box(scene.authenticate(false)));
}

/// Nothing is remembered of static tokens: each costs a digest.
#[divan::bench]
fn static_token(bencher: Bencher<'_, '_>) {
    let scene = Scene::tokens();
    bencher.bench(|| black_box(scene.authenticate(true)));
}

/// What it costs that requests know their connection.
#[divan::bench]
fn peer_extension(bencher: Bencher<'_, '_>) {
    let peer = Peer::plain(([127, 0, 0, 1], 1).into());
    bencher.with_inputs(|| Request::new(())).bench_local_values(|mut request| {
        request.extensions_mut().insert(peer.clone());
        black_box(request)
    });
}

/// The same without it, to be taken off.
#[divan::bench]
fn no_peer_extension(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| Request::new(())).bench_local_values(black_box);
}
