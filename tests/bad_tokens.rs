//! Tokens and requests that must not get in, each with the answer that it must get.

use portcullis_test_support::scenes::{KNOCK, guarded, knock, until_let_in};
use portcullis_test_support::wire::Request;
use portcullis_test_support::{Answer, ConfigDir, Forger, Gateway, Key, Loopback, Received};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
/// More wrong proofs than these come from no test.
const NO_LIMIT: &str = "failureLimit: {perSecond: 100000, burst: 100000}";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// An issuer whose keys the test has: RFC 8414 metadata and a JWKS.
async fn issuer(jwks: Answer) -> Loopback {
    Loopback::start(|url| {
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        move |request: &Received| match &*request.target {
            METADATA => Answer::json(&metadata),
            "/jwks" => jwks.clone(),
            _ => Answer::status(404),
        }
    })
    .await
}

/// A gateway that takes the tokens of an issuer whose keys the test has.
struct Bench {
    forger: Forger,
    issuer: Loopback,
    /// Where tokens say their keys are. Nobody may look.
    elsewhere: Loopback,
    gateway: Gateway,
    _config: ConfigDir,
}

/// The answer that a request must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Passes,
    /// A challenge with this error, or with none.
    Challenge(u16, Option<&'static str>),
    /// No token would help.
    Status(u16),
}

const MISSING: Wanted = Wanted::Challenge(401, None);
const MALFORMED: Wanted = Wanted::Challenge(400, Some("invalid_request"));
const INVALID: Wanted = Wanted::Challenge(401, Some("invalid_token"));

impl Bench {
    async fn start() -> Self {
        let forger = Forger::new();
        let issuer = issuer(Answer::json(&forger.jwks())).await;
        let jwks = forger.jwks();
        let elsewhere = Loopback::start(|_| move |_: &Received| Answer::json(&jwks)).await;
        let config = ConfigDir::new().config(&guarded(&issuer.url(), &[NO_LIMIT]));
        let gateway = Gateway::start(BINARY, config.path()).await;
        let bench = Self { forger, issuer, elsewhere, gateway, _config: config };
        let good = bench.forger.token(Key::Ed, &bench.claims());
        until_let_in(bench.gateway.url(), &good).await;
        bench
    }

    /// What a good token says.
    fn claims(&self) -> Value {
        claims(&self.issuer.url(), self.gateway.url())
    }

    /// The header of a good token of this key.
    fn header(key: Key) -> Value {
        json!({"alg": key.algorithm(), "typ": "at+jwt", "kid": key.id()})
    }

    /// A good token but for these claims; `null` takes one out.
    fn claiming(&self, changes: &Value) -> String {
        self.forger.token(Key::Ed, &changed(self.claims(), changes))
    }

    /// A good token but for these members of the header; `null` takes one out.
    fn headed(&self, key: Key, changes: &Value) -> String {
        let header = changed(Self::header(key), changes);
        self.forger.seal(key, header.to_string(), self.claims().to_string())
    }

    /// A good token but for the text of its claims.
    fn saying(&self, claims: impl AsRef<[u8]>) -> String {
        self.forger.seal(Key::Ed, Self::header(Key::Ed).to_string(), claims)
    }

    /// A good token but for the text of its header.
    fn introducing(&self, header: impl AsRef<[u8]>) -> String {
        self.forger.seal(Key::Ed, header, self.claims().to_string())
    }

    /// A request that passes with a good token.
    fn request(&self) -> Request {
        Request::new("POST", self.gateway.url())
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(KNOCK)
    }

    async fn check(&self, name: &str, request: Request, wanted: Wanted) {
        let mut response = request.send().await;
        let challenge = response.header("www-authenticate").map(str::to_owned);
        let body = response.text().await;
        let found = match (response.status, &challenge) {
            (200, None) => Wanted::Passes,
            (status, None) => Wanted::Status(status),
            (status, Some(challenge)) => Wanted::Challenge(status, error_in(challenge)),
        };
        assert_eq!(found, wanted, "{name}: {challenge:?} {body}");
        if let Wanted::Challenge(..) = wanted {
            let challenge = challenge.expect("a challenge");
            let metadata = format!(
                "resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"",
                self.gateway.origin()
            );
            assert!(challenge.contains(&metadata), "{name}: {challenge}");
            assert!(challenge.contains("scope=\"mcp:read"), "{name}: {challenge}");
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            assert_eq!(body["error"]["code"], -31009, "{name}: {body}");
        }
    }
}

fn claims(issuer: &str, audience: &str) -> Value {
    let now = Forger::now();
    json!({
        "iss": issuer, "aud": audience, "sub": "alice", "client_id": "app", "jti": "1",
        "iat": now, "exp": now + 300, "scope": "mcp:read",
    })
}

fn changed(mut object: Value, changes: &Value) -> Value {
    let members = object.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

/// The `error` of a challenge, as one of those that the standard knows.
fn error_in(challenge: &str) -> Option<&'static str> {
    let known = ["invalid_request", "invalid_token", "insufficient_scope"];
    let found = known.into_iter().find(|error| challenge.contains(&format!("error=\"{error}\"")));
    assert_eq!(found.is_some(), challenge.contains("error=\""), "{challenge}");
    found
}

#[tokio::test]
async fn a_token_with_bad_claims_is_refused() {
    let bench = Bench::start().await;
    let (now, origin) = (Forger::now(), bench.gateway.origin());
    let url = bench.gateway.url();
    let rows = [
        ("expired an hour ago", json!({"exp": now - 3600})),
        ("expired a little more than the leeway ago", json!({"exp": now - 32})),
        ("without an expiry", json!({"exp": null})),
        ("an expiry that is a string", json!({"exp": (now + 300).to_string()})),
        ("an expiry that is true", json!({"exp": true})),
        ("an expiry before 1970", json!({"exp": -1})),
        ("an expiry in a list", json!({"exp": [now + 300]})),
        ("not valid for a minute yet", json!({"nbf": now + 60})),
        ("a beginning that is a string", json!({"nbf": "now"})),
        ("issued in an hour", json!({"iat": now + 3600})),
        ("issued at a string", json!({"iat": "now"})),
        ("another issuer", json!({"iss": "https://issuer.example"})),
        ("the issuer with a slash", json!({"iss": format!("{}/", bench.issuer.url())})),
        ("the issuer in a list", json!({"iss": [bench.issuer.url()]})),
        ("no issuer", json!({"iss": null})),
        ("another audience", json!({"aud": "https://elsewhere.example/mcp"})),
        ("no audience", json!({"aud": null})),
        ("an empty audience", json!({"aud": ""})),
        ("an empty list of audiences", json!({"aud": []})),
        ("an audience that is a number", json!({"aud": 1})),
        ("an audience in an object", json!({"aud": {"url": url}})),
        ("the gateway without the endpoint", json!({"aud": origin})),
        ("another endpoint", json!({"aud": format!("{origin}/servers/demo/mcp")})),
        ("an audience that begins as ours", json!({"aud": format!("{url}/more")})),
        ("another port", json!({"aud": "http://127.0.0.1:1/mcp"})),
        ("a subject that is a number", json!({"sub": 1})),
        ("a subject that is a list", json!({"sub": ["alice"]})),
        ("a client that is an object", json!({"client_id": {}})),
        ("scopes that are a number", json!({"scope": 1})),
        ("groups that are an object", json!({"groups": {"dev": true}})),
    ];
    for (name, changes) in rows {
        let token = bench.claiming(&changes);
        let request = bench.request().header("Authorization", &format!("Bearer {token}"));
        bench.check(name, request, INVALID).await;
    }
}

#[tokio::test]
async fn a_token_with_a_bad_header_is_refused() {
    let bench = Bench::start().await;
    let forger = &bench.forger;
    let (url, jwk) = (bench.elsewhere.url(), Forger::new().jwk(Key::Ed));
    // What everybody can read is no secret.
    let public = forger.jwk(Key::Rsa);
    let secret = public["n"].as_str().expect("a modulus").as_bytes();
    let header = changed(Bench::header(Key::Rsa), &json!({"alg": "HS256"}));
    let by_secret = Forger::seal_with_secret(secret, &header, &bench.claims());
    let rows = [
        ("alg none", bench.headed(Key::Ed, &json!({"alg": "none"}))),
        ("alg None", bench.headed(Key::Ed, &json!({"alg": "None"}))),
        ("HMAC with a public key", by_secret),
        ("an unknown alg", bench.headed(Key::Ed, &json!({"alg": "ES999"}))),
        ("an alg for another key", bench.headed(Key::Ed, &json!({"alg": "ES256"}))),
        ("RS256 of an elliptic curve", bench.headed(Key::Ec, &json!({"alg": "RS256"}))),
        ("PS256 instead of RS256", bench.headed(Key::Rsa, &json!({"alg": "PS256"}))),
        ("no alg", bench.headed(Key::Ed, &json!({"alg": null}))),
        ("an alg that is a number", bench.headed(Key::Ed, &json!({"alg": 1}))),
        ("an identity token", bench.headed(Key::Ed, &json!({"typ": "JWT"}))),
        ("no typ", bench.headed(Key::Ed, &json!({"typ": null}))),
        ("a typ that is a list", bench.headed(Key::Ed, &json!({"typ": ["at+jwt"]}))),
        ("crit", bench.headed(Key::Ed, &json!({"crit": ["exp"], "exp": 1}))),
        ("an empty crit", bench.headed(Key::Ed, &json!({"crit": []}))),
        ("b64", bench.headed(Key::Ed, &json!({"b64": false, "crit": ["b64"]}))),
        ("a kid that is a path", bench.headed(Key::Ed, &json!({"kid": "../../../etc/passwd"}))),
        ("a kid that is SQL", bench.headed(Key::Ed, &json!({"kid": "' OR '1'='1"}))),
        ("a kid that is a number", bench.headed(Key::Ed, &json!({"kid": 1}))),
        ("a kid of 4 KB", bench.headed(Key::Ed, &json!({"kid": "k".repeat(4096)}))),
        ("the kid of another key", bench.headed(Key::Ed, &json!({"kid": "rsa"}))),
        ("a header that is a list", bench.introducing("[]")),
        ("a header that is no JSON", bench.introducing("alg=EdDSA")),
        ("an empty header", bench.introducing("")),
        (
            "two algs",
            bench.introducing(r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#),
        ),
        ("two kids", bench.introducing(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"rsa","kid":"ed"}"#)),
    ];
    for (name, token) in &rows {
        let request = bench.request().header("Authorization", &format!("Bearer {token}"));
        bench.check(name, request, INVALID).await;
    }
    // A stranger's signature, with a header that says where the stranger's key is.
    let stranger = Forger::new();
    for (name, member) in [
        ("jwk", json!({"jwk": jwk})),
        ("jku", json!({"jku": format!("{url}/jwks")})),
        ("x5u", json!({"x5u": format!("{url}/certificate")})),
        ("x5c", json!({"x5c": ["MIIB"]})),
        ("a key as no standard has it", json!({"key": public})),
    ] {
        let header = changed(Bench::header(Key::Ed), &member).to_string();
        let token = stranger.seal(Key::Ed, &header, bench.claims().to_string());
        let request = bench.request().header("Authorization", &format!("Bearer {token}"));
        bench.check(name, request, INVALID).await;
        // They say nothing to us, for better or worse.
        let good = forger.seal(Key::Ed, &header, bench.claims().to_string());
        let request = bench.request().header("Authorization", &format!("Bearer {good}"));
        bench.check(name, request, Wanted::Passes).await;
    }
    assert_eq!(bench.elsewhere.requests().len(), 0, "nobody looks where a token says");
}

#[tokio::test]
async fn a_token_that_is_not_what_was_signed_is_refused() {
    let bench = Bench::start().await;
    let (forger, claims) = (&bench.forger, bench.claims());
    let good = forger.token(Key::Ed, &claims);
    let (start, signature) = good.rsplit_once('.').expect("a JWT");
    let parts: Vec<_> = good.split('.').collect();
    let other = forger.token(Key::Ed, &changed(claims.clone(), &json!({"sub": "bob"})));
    let (_, of_other) = other.rsplit_once('.').expect("a JWT");
    let claims = claims.to_string();
    let body = claims.strip_suffix('}').expect("an object");
    let deep = format!("{body},\"deep\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let doubled = |member: &str| format!("{{{member},{}", &claims[1..]);
    let stranger = Forger::new().token(Key::Ed, &bench.claims());
    let rows = [
        ("a stranger's key of the same kid", stranger),
        ("a signature of another token", format!("{start}.{of_other}")),
        ("no signature", format!("{start}.")),
        ("half a signature", format!("{start}.{}", &signature[..signature.len() / 2])),
        ("a signature and more", format!("{good}AAAA")),
        ("a signature with padding", format!("{good}==")),
        ("two parts", start.to_owned()),
        ("four parts", format!("{good}.AAAA")),
        ("five parts, as of an encrypted one", format!("{good}.AAAA.AAAA")),
        ("nothing but dots", "..".to_owned()),
        ("a word", "sesame".to_owned()),
        ("a dot", ".".to_owned()),
        ("no claims", format!("{}..{}", parts[0], parts[2])),
        ("8 KB of one letter", "A".repeat(8192)),
        ("claims that are a list", bench.saying("[]")),
        ("claims that are a text", bench.saying("\"claims\"")),
        ("claims that are no JSON", bench.saying("sub=alice")),
        ("claims that are no UTF-8", bench.saying(b"{\"sub\":\"\xff\xfe\"}")),
        ("claims that end early", bench.saying(body)),
        ("claims 5,000 levels deep", bench.saying(deep)),
        ("claims with more behind them", bench.saying(format!("{claims}{{}}"))),
        (
            "two audiences beside each other",
            bench.saying(doubled("\"aud\":\"https://other.example\"")),
        ),
        ("two issuers", bench.saying(doubled("\"iss\":\"https://other.example\""))),
        ("two subjects", bench.saying(doubled("\"sub\":\"root\""))),
        ("two expiries", bench.saying(doubled("\"exp\":1"))),
        ("two scopes", bench.saying(doubled("\"scope\":\"mcp:admin\""))),
        (
            "an expiry that no number holds",
            bench.saying(claims.replace("\"exp\":", "\"exp\":1e999,\"was\":")),
        ),
    ];
    for (name, token) in &rows {
        let request = bench.request().header("Authorization", &format!("Bearer {token}"));
        bench.check(name, request, INVALID).await;
    }
    assert_eq!(knock(bench.gateway.url(), Some(&good)).await.status, 200);
}

#[tokio::test]
async fn a_request_that_proves_nothing_is_refused() {
    let bench = Bench::start().await;
    let good = bench.forger.token(Key::Ec, &bench.claims());
    let bearer = format!("Bearer {good}");
    let asking = |query: &str| {
        Request::new("POST", &format!("{}{query}", bench.gateway.url()))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(KNOCK)
    };
    let scarce = bench.claiming(&json!({"scope": "mcp:write"}));
    let none = bench.claiming(&json!({"scope": null}));
    let forwarded = bench.claiming(&json!({"aud": "http://gateway.example/mcp"}));
    let lacking = Wanted::Challenge(403, Some("insufficient_scope"));
    let with = |value: &str| bench.request().header("Authorization", value);
    let rows = [
        ("a good token", with(&bearer), Wanted::Passes),
        ("a lower-case scheme", with(&format!("bearer {good}")), Wanted::Passes),
        ("an upper-case scheme", with(&format!("BEARER {good}")), Wanted::Passes),
        ("nothing", bench.request(), MISSING),
        ("another scheme", with("Basic YWxpY2U6c2VjcmV0"), MISSING),
        ("a scheme that begins as ours", with(&format!("Bearers {good}")), MISSING),
        ("a token without a scheme", with(&good), MISSING),
        ("an empty header", with(""), MISSING),
        ("a scheme alone", with("Bearer"), MALFORMED),
        ("a scheme and a space", with("Bearer "), MALFORMED),
        ("two tokens", with(&format!("{bearer} {good}")), MALFORMED),
        ("two tokens with a comma", with(&format!("{bearer}, {bearer}")), MALFORMED),
        ("a token in quotation marks", with(&format!("Bearer \"{good}\"")), MALFORMED),
        ("a token of other alphabets", with("Bearer жетон"), MALFORMED),
        ("two headers", with(&bearer).another("Authorization", &bearer), MALFORMED),
        ("two schemes", with(&bearer).another("Authorization", "Basic YTpi"), MALFORMED),
        ("a token in the query", asking(&format!("?access_token={good}")), MALFORMED),
        (
            "a token in the query too",
            asking(&format!("?a=b&access_token={good}")).header("Authorization", &bearer),
            MALFORMED,
        ),
        (
            "a token in a form",
            bench
                .request()
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(format!("access_token={good}")),
            MISSING,
        ),
        (
            "a token in a cookie",
            bench.request().header("Cookie", &format!("access_token={good}")),
            MISSING,
        ),
        ("a token for a proxy", bench.request().header("Proxy-Authorization", &bearer), MISSING),
        (
            "a header of 200 KB",
            with(&format!("Bearer {}", "A".repeat(200_000))),
            Wanted::Status(431),
        ),
        (
            "identity headers of a stranger",
            bench
                .request()
                .header("X-MCP-Human-ID", "alice")
                .header("X-MCP-Agent-ID", "app")
                .header("X-MCP-Team-ID", "admin"),
            MISSING,
        ),
        ("too few scopes", with(&format!("Bearer {scarce}")), lacking),
        ("no scopes", with(&format!("Bearer {none}")), lacking),
        (
            "a forged X-Forwarded-Host",
            with(&format!("Bearer {forwarded}"))
                .header("X-Forwarded-Host", "gateway.example")
                .header("X-Forwarded-Proto", "http"),
            INVALID,
        ),
        (
            "a forged Forwarded",
            with(&format!("Bearer {forwarded}"))
                .header("Forwarded", "host=gateway.example;proto=http"),
            INVALID,
        ),
        (
            "a forged X-Forwarded-Host without a token",
            bench.request().header("X-Forwarded-Host", "gateway.example"),
            MISSING,
        ),
        (
            "another Host",
            with(&format!("Bearer {forwarded}")).header("Host", "gateway.example"),
            Wanted::Status(403),
        ),
    ];
    for (name, request, wanted) in rows {
        bench.check(name, request, wanted).await;
    }
}

#[tokio::test]
async fn what_a_hostile_issuer_says_lets_nobody_in() {
    let forger = Forger::new();
    let many: Vec<_> = (0..10_000)
        .map(|number| changed(forger.jwk(Key::Ec), &json!({"kid": number.to_string()})))
        .chain([forger.jwk(Key::Ec)])
        .collect();
    let good = forger.jwks();
    // At an address that the issuer may not send us to, with keys that would do.
    let private = Loopback::start_at([127, 0, 0, 2].into(), |_| {
        let good = good.clone();
        move |_: &Received| Answer::json(&good)
    })
    .await;
    let keys = json!({"keys": many});
    let rows = [
        ("10,000 keys", Answer::json(&keys)),
        ("keys that never end", Answer::Endless),
        ("keys that never come", Answer::Silence),
        ("keys at a private address", Answer::Redirect(format!("{}/jwks", private.url()))),
        ("keys in a file", Answer::Redirect("file:///etc/passwd".to_owned())),
        ("a page", Answer::Whole(200, "text/html", b"<html>".to_vec())),
        ("a list", Answer::json("[]")),
        ("an error", Answer::status(500)),
    ];
    for (name, jwks) in rows {
        let issuer = issuer(jwks).await;
        refuses(name, &issuer.url(), &forger).await;
    }
    for (name, issued_by, jwks) in [
        ("metadata of another issuer", Some("https://issuer.example"), "/jwks"),
        ("metadata with a slash more", Some("/"), "/jwks"),
        ("metadata without an issuer", None, "/jwks"),
        ("keys at a private address of its metadata", Some(""), "private"),
    ] {
        let (good, private) = (good.clone(), private.url());
        let issuer = Loopback::start(|url| {
            let says = issued_by.map(|it| match it {
                "" | "/" => format!("{url}{it}"),
                other => other.to_owned(),
            });
            let at =
                if jwks == "private" { format!("{private}/jwks") } else { format!("{url}{jwks}") };
            let metadata = json!({"issuer": says, "jwks_uri": at});
            move |request: &Received| match &*request.target {
                "/jwks" => Answer::json(&good),
                _ => Answer::json(&metadata),
            }
        })
        .await;
        refuses(name, &issuer.url(), &forger).await;
    }
    assert_eq!(private.requests().len(), 0, "nobody asks at an address that is not allowed");
}

/// A gateway of this issuer can check no token, and says so.
async fn refuses(name: &str, issuer: &str, forger: &Forger) {
    let config = format!(
        "auth: {{mode: oauth, issuers: [{{issuer: \"{issuer}\", allowPrivateIPJWKSHosts: [127.0.0.1]}}]}}\n"
    );
    let config = ConfigDir::new().config(&config);
    let gateway = Gateway::start(BINARY, config.path()).await;
    for key in Key::ALL {
        let token = forger.token(key, &claims(issuer, gateway.url()));
        let refused = knock(gateway.url(), Some(&token)).await;
        assert_eq!(refused.status, 503, "{name}: {key:?}: {}", refused.head());
        assert!(refused.header("retry-after").is_some(), "{name}: {}", refused.head());
    }
    assert_eq!(knock(gateway.url(), None).await.status, 401, "{name}");
}

#[tokio::test]
async fn a_published_private_key_signs_for_nobody() {
    let forger = Forger::new();
    let keys = json!({"keys": [forger.jwk(Key::Ec), forger.private_jwk()]});
    let issuer = issuer(Answer::json(&keys)).await;
    let config = ConfigDir::new().config(&guarded(&issuer.url(), &[]));
    let gateway = Gateway::start(BINARY, config.path()).await;
    let claims = claims(&issuer.url(), gateway.url());
    let (good, known) = (forger.token(Key::Ec, &claims), forger.token(Key::Ed, &claims));
    until_let_in(gateway.url(), &good).await;
    assert_eq!(knock(gateway.url(), Some(&known)).await.status, 401);
}
