//! Requests through the layer: who gets on, and with what.

use std::net::IpAddr;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::advance;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::*;
use crate::authn::{Config, Digest, Fault, HeaderNames, Mode, Resources, Surroundings, Token};
use crate::call::Names;
use crate::layers::rate::Rate;
use crate::outbound::Trust;

const ALICE: &str = "192.0.2.1";
const MALLORY: &str = "192.0.2.66";
const CREDENTIALS: [(&str, &str); 7] = [
    ("authorization", "Bearer sesame"),
    ("proxy-authorization", "Basic c2VzYW1l"),
    ("cookie", "session=sesame"),
    ("x-mcp-human-id", "sesame"),
    ("x-mcp-agent-id", "sesame"),
    ("x-mcp-team-id", "sesame"),
    ("x-mcp-agent-session", "sesame"),
];

fn limit(burst: u32) -> FailureLimit {
    FailureLimit::new(Rate::new(0.1, burst.try_into().unwrap()))
}

fn layer(config: &Config, limit: FailureLimit) -> AuthenticateLayer {
    let around = Surroundings {
        trust: Arc::new(Trust::new(&[]).unwrap()),
        runtime: Handle::current(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let resources = Arc::new(Resources::new(None));
    let authenticator = Authenticator::new(config, &Names::default(), resources, &around);
    AuthenticateLayer::new(Arc::new(authenticator), limit)
}

/// The token is `sesame`.
fn tokens() -> Config {
    let token = Token { name: "ci".into(), digest: Digest::of(b"sesame"), ..Token::default() };
    Config { mode: Mode::Tokens, tokens: vec![token], ..Config::default() }
}

fn at(address: &str) -> ClientAddress {
    ClientAddress { address: address.parse::<IpAddr>().unwrap(), is_proxied: true }
}

fn request(address: &str, lines: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in lines {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request.extensions_mut().insert(at(address));
    request
}

/// What the inner service sees.
async fn admitted(
    layer: &AuthenticateLayer,
    request: Request<()>,
) -> Result<Request<()>, Unauthenticated> {
    let inner =
        tower::service_fn(|request: Request<()>| async move { Ok::<_, Unauthenticated>(request) });
    layer.layer(inner).oneshot(request).await
}

fn principal(request: &Request<()>) -> Principal {
    Principal::clone(request.extensions().get::<Arc<Principal>>().expect("a principal"))
}

fn word(error: &Unauthenticated) -> &'static str {
    match error {
        Unauthenticated::Refused { refusal, .. } => refusal.reason(),
        Unauthenticated::TooMany { .. } => "too many",
    }
}

fn bearer(token: &'static str) -> [(&'static str, &'static str); 1] {
    [("authorization", token)]
}

#[tokio::test]
async fn without_authentication_everybody_is_anonymous() {
    let layer = layer(&Config::default(), FailureLimit::default());
    let seen = admitted(&layer, request(ALICE, &[])).await.unwrap();
    assert_eq!(principal(&seen), Principal::anonymous());
}

#[tokio::test]
async fn credentials_and_identity_headers_go_no_further_in_any_mode() {
    let header = Config { mode: Mode::Header, ..Config::default() };
    for (config, subject) in [(Config::default(), ""), (tokens(), "ci"), (header, "sesame")] {
        let layer = layer(&config, FailureLimit::default());
        let mut sent = request(ALICE, &CREDENTIALS);
        sent.headers_mut().append("cookie", HeaderValue::from_static("second=sesame"));
        sent.headers_mut().insert("mcp-session-id", HeaderValue::from_static("stays"));
        let seen = admitted(&layer, sent).await.unwrap();
        assert_eq!(&*principal(&seen).subject, subject);
        let names: Vec<_> = seen.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["mcp-session-id"], "{:?}", config.mode);
    }
}

#[tokio::test]
async fn the_headers_that_the_configuration_names_and_the_default_ones_are_identity() {
    let header = HeaderNames { human: "x-user".parse().unwrap(), ..HeaderNames::default() };
    let config = Config { mode: Mode::Header, header, ..Config::default() };
    let layer = layer(&config, FailureLimit::default());
    let sent = request(ALICE, &[("x-user", "ann"), ("x-mcp-human-id", "sesame")]);
    let seen = admitted(&layer, sent).await.unwrap();
    assert_eq!(&*principal(&seen).subject, "ann");
    assert!(seen.headers().is_empty(), "{:?}", seen.headers());
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_the_request() {
    let layer = layer(&tokens(), FailureLimit::default());
    for lines in [
        &[("authorization", "Bearer sesame!"), ("x-mcp-human-id", "sesame")][..],
        &[("authorization", "Bearer Sesame")],
        &[("authorization", "sesame")],
        &[("authorization", "Bearer sesame"), ("authorization", "Bearer sesame")],
    ] {
        let error = admitted(&layer, request(ALICE, lines)).await.expect_err("a refusal");
        let shown = format!("{error} {error:?}");
        assert!(!shown.to_lowercase().contains("sesame"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_beyond_the_burst_get_429_and_a_time_to_come_back() {
    let layer = layer(&tokens(), limit(2));
    let ask = async |address, lines: &[_]| {
        let answer = admitted(&layer, request(address, lines)).await;
        answer.map_or_else(|error| (word(&error), error.retry_after()), |_| ("in", None))
    };
    let (wrong, missing) = (("unknown", None), ("missing", None));
    assert_eq!(ask(MALLORY, &bearer("Bearer a")).await, wrong);
    for _ in 0..10 {
        assert_eq!(ask(MALLORY, &[]).await, missing, "who has no token has not guessed one");
    }
    let malformed = ask(MALLORY, &bearer("Bearer !")).await;
    assert_eq!(malformed, ("malformed", None));
    let too_many = ("too many", Some(Duration::from_secs(10)));
    assert_eq!(ask(MALLORY, &bearer("Bearer c")).await, too_many);
    assert_eq!(ask(MALLORY, &[]).await, missing);
    assert_eq!(ask(ALICE, &bearer("Bearer a")).await, wrong, "others have their own");
    assert_eq!(ask(MALLORY, &bearer("Bearer sesame")).await, ("in", None));
    advance(Duration::from_secs(10)).await;
    assert_eq!(ask(MALLORY, &bearer("Bearer d")).await, wrong);
    assert_eq!(ask(MALLORY, &bearer("Bearer e")).await, too_many);
}

/// How a request fares whose proof takes work, which ends so.
async fn checked(
    layer: &AuthenticateLayer,
    answer: Result<(), Refusal>,
) -> Result<(), &'static str> {
    let guard = Arc::clone(&layer.0);
    if guard.failures.check(Some(MALLORY.parse().unwrap())).is_err() {
        return Err("too many");
    }
    let inner = tower::service_fn(|request: Request<()>| async move {
        assert!(request.headers().is_empty(), "{:?}", request.headers());
        assert_eq!(principal(&request), Principal::anonymous());
        Ok::<_, Unauthenticated>(())
    });
    let answer = async move { answer.map(|()| Arc::new(Principal::anonymous())) }.boxed();
    let request = request(MALLORY, &CREDENTIALS);
    let future = ResponseFuture::checking(Checking { answer, request, inner, guard });
    future.await.map_err(|error: Unauthenticated| word(&error))
}

#[tokio::test(start_paused = true)]
async fn only_a_wrong_proof_counts_of_those_that_take_work() {
    let layer = layer(&Config::default(), limit(1));
    let down = Refusal::Unavailable { issuer: "i".into(), retry_after: Duration::from_secs(1) };
    for _ in 0..10 {
        assert_eq!(checked(&layer, Ok(())).await, Ok(()), "a good one is none");
        let unavailable = checked(&layer, Err(down.clone())).await;
        assert_eq!(unavailable, Err("unavailable"), "nobody's fault");
    }
    let wrong = Refusal::Invalid(Fault::new("signature", "it is not signed by its issuer"));
    assert_eq!(checked(&layer, Err(wrong)).await, Err("signature"));
    assert_eq!(checked(&layer, Ok(())).await, Err("too many"));
    advance(Duration::from_secs(10)).await;
    assert_eq!(checked(&layer, Ok(())).await, Ok(()));
}
