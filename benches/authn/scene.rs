//! A gate, its authentication layer, and a client that comes with the same request again and again.

use std::fs;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};
use portcullis::authn::{
    Authenticator, Config, Digest, Issuer, Mode, Resources, Surroundings, Token,
};
use portcullis::call::Names;
use portcullis::layers::http::authenticate::{
    Authenticate, AuthenticateLayer, FailureLimit, Unauthenticated,
};
use portcullis::layers::http::client_address::ClientAddress;
use portcullis::outbound::Trust;
use portcullis::server::Peer;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

const ISSUER: &str = "https://login.example";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What stands behind the layer, and does nothing.
#[derive(Clone)]
pub(crate) struct Nothing;

impl Service<Request<()>> for Nothing {
    type Response = Request<()>;
    type Error = Unauthenticated;
    type Future = Ready<Result<Request<()>, Unauthenticated>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unauthenticated>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(request))
    }
}

/// A gate and a client that may come in.
pub(crate) struct Scene {
    runtime: Runtime,
    authenticator: Arc<Authenticator>,
    service: Authenticate<Nothing>,
    peer: Peer,
    headers: HeaderMap,
}

impl Scene {
    fn new(config: &Config, token: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let around = Surroundings {
            trust: Arc::new(Trust::new(&[]).expect("roots")),
            runtime: runtime.handle().clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let public = "https://gate.example".parse().expect("a URL");
        let resources = Arc::new(Resources::new(Some(public)));
        let authenticator =
            Arc::new(Authenticator::new(config, &Names::default(), resources, &around));
        let layer = AuthenticateLayer::new(Arc::clone(&authenticator), FailureLimit::default());
        let service = layer.layer(Nothing);
        Self { runtime, authenticator, service, peer: peer(), headers: headers(token) }
    }

    /// Nobody has to prove anything; a token is sent all the same.
    pub(crate) fn none() -> Self {
        Self::new(&Config::default(), &issued().1)
    }

    /// With a static token of 47 bytes.
    pub(crate) fn tokens() -> Self {
        let text = "pc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
        let digest = Digest::of(text.as_bytes());
        let token = Token { name: "ci".into(), digest, ..Token::default() };
        let config = Config { mode: Mode::Tokens, tokens: vec![token], ..Config::default() };
        Self::new(&config, text)
    }

    /// With a JWT of about 1 KiB, which was looked at and which its connection remembers.
    pub(crate) fn jwt() -> Self {
        let (jwks, token) = issued();
        let keys = tempfile::tempdir().expect("a directory");
        let file = keys.path().join("jwks.json");
        fs::write(&file, jwks.to_string()).expect("a file");
        let issuer = Issuer { issuer: ISSUER.into(), jwks_file: Some(file), ..Issuer::default() };
        let config = Config { mode: Mode::Oauth, issuers: vec![issuer], ..Config::default() };
        let scene = Self::new(&config, &token);
        scene.wait();
        scene
    }

    /// Until the file is read, in the background, and the connection remembers the token.
    fn wait(&self) {
        let is_in = || {
            let answer = self.service.clone().call(self.request());
            self.runtime.block_on(answer).is_ok()
        };
        let mut tries = (0..1000).inspect(|_| thread::sleep(Duration::from_millis(5)));
        assert!(tries.any(|_| is_in()) && is_in(), "the token does not get in");
    }

    /// A request as this layer gets it.
    pub(crate) fn request(&self) -> Request<()> {
        self.request_by(self.peer.clone())
    }

    /// The same over a connection that has not been used before.
    pub(crate) fn request_by_another(&self) -> Request<()> {
        self.request_by(peer())
    }

    fn request_by(&self, peer: Peer) -> Request<()> {
        let mut request = Request::post("/mcp").body(()).expect("a request");
        request.headers_mut().clone_from(&self.headers);
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        extensions.insert(ClientAddress { address: LOCALHOST, is_proxied: false });
        request
    }

    /// What it is all about. Not inlined, so that its instructions can be counted.
    #[inline(never)]
    pub(crate) fn call(&self, request: Request<()>) -> Request<()> {
        let answer = self.service.clone().call(request).now_or_never();
        answer.expect("it is known at once").expect("it gets in")
    }

    /// Takes out what has proven who sends the request.
    #[inline(never)]
    pub(crate) fn strip(&self, mut request: Request<()>) -> Request<()> {
        self.authenticator.strip(request.headers_mut());
        request
    }
}

/// The other end of a connection, as the server makes it.
fn peer() -> Peer {
    Peer::plain((LOCALHOST, 1).into())
}

/// What the TypeScript SDK sends with a call.
fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "gate.example"),
        ("connection", "keep-alive"),
        ("mcp-session-id", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"),
        ("mcp-protocol-version", "2025-11-25"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("user-agent", "node"),
        ("accept-encoding", "gzip, deflate"),
        ("content-length", "123"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    headers.insert(AUTHORIZATION, bearer);
    headers
}

/// An issuer's keys, and a token.
fn issued() -> (Value, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwks = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
        "x": encode(x), "y": encode(y),
    }]});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let groups: Vec<_> = (0..30).map(|count| format!("department-{count}")).collect();
    let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "1"});
    let claims = json!({
        "iss": ISSUER, "aud": "https://gate.example/mcp", "sub": "alice", "client_id": "client",
        "iat": now, "exp": now + 3600, "jti": "1", "scope": "mcp:call", "groups": groups,
    });
    let part = |json: Value| encode(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    let token = format!("{signed}.{}", encode(signature.as_ref()));
    assert!((1000..1100).contains(&token.len()), "{}", token.len());
    (jwks, token)
}
