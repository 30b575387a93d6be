//! Tokens, good and bad, each with what must become of it.

use serde_json::{Value, json};

use crate::authn::test_keys::{NOW, RESOURCE, Signer, claims, encoded, hmac_token};

/// The issuer's keys, and one that is not.
pub(super) struct Keys {
    pub(super) ed25519: Signer,
    rsa: Signer,
    p256: Signer,
    p384: Signer,
    strange: Signer,
    /// What the issuer publishes.
    pub(super) jwks: String,
}

impl Keys {
    pub(super) fn make() -> Self {
        let (rsa, p256, p384) = (Signer::rsa(), Signer::p256(), Signer::p384());
        let ed25519 = Signer::ed25519();
        let keys = [rsa.jwk("rsa"), p256.jwk("p256"), p384.jwk("p384"), ed25519.jwk("ed")];
        let jwks = json!({ "keys": keys }).to_string();
        Self { ed25519, rsa, p256, p384, strange: Signer::ed25519(), jwks }
    }

    /// Signed right.
    fn ed(&self, header: &str, claims: &str) -> String {
        self.ed25519.token(header, claims)
    }
}

/// A value of the header `Authorization`.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) line: Vec<u8>,
    /// `ok`, or the reason.
    pub(super) outcome: &'static str,
}

fn row(name: &'static str, outcome: &'static str, token: impl AsRef<[u8]>) -> Row {
    Row { name, line: [b"Bearer ", token.as_ref()].concat(), outcome }
}

pub(super) const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#;

pub(super) fn rows(keys: &Keys) -> Vec<Row> {
    let mut rows = lines(keys);
    rows.extend(shapes(keys));
    rows.extend(signatures(keys));
    rows.extend(
        headers().into_iter().map(|(name, outcome, header)| {
            row(name, outcome, keys.ed(&header, &claims(&json!({}))))
        }),
    );
    rows.extend(
        changes()
            .into_iter()
            .map(|(name, outcome, change)| row(name, outcome, keys.ed(HEADER, &claims(&change)))),
    );
    rows.extend(
        texts()
            .into_iter()
            .map(|(name, outcome, claims)| row(name, outcome, keys.ed(HEADER, &claims))),
    );
    rows
}

/// What is wrong before there is a token.
fn lines(keys: &Keys) -> Vec<Row> {
    let good = keys.ed(HEADER, &claims(&json!({})));
    let line = |name, outcome, line: String| Row { name, line: line.into_bytes(), outcome };
    vec![
        line("scheme-in-lower-case", "ok", format!("bearer {good}")),
        line("scheme-in-upper-case", "ok", format!("BEARER  {good}")),
        line("other-scheme", "missing", format!("Basic {good}")),
        line("no-scheme", "missing", good.clone()),
        line("nothing", "missing", String::new()),
        line("scheme-alone", "malformed", "Bearer ".to_owned()),
        line("two-tokens", "malformed", format!("Bearer {good} {good}")),
        line("two-tokens-with-comma", "malformed", format!("Bearer {good}, Bearer {good}")),
        line("token-in-quotes", "malformed", format!("Bearer \"{good}\"")),
        line("line-break", "malformed", format!("Bearer {good}\r\nX-Evil: 1")),
        row("binary", "malformed", b"\x80\xff\xfe"),
        row("zero", "malformed", b"a.b\0.c"),
    ]
}

/// What cannot be read.
fn shapes(keys: &Keys) -> Vec<Row> {
    let good = keys.ed(HEADER, &claims(&json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = [parts[0], parts[1], parts[2]];
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let wide = |size: usize| claims(&json!({"pad": "x".repeat(size)}));
    let signed = |header: &str, claims: &str| keys.ed(header, claims);
    vec![
        row("good", "ok", &good),
        row("four-parts", "shape", format!("{good}.{signature}")),
        row("two-parts", "shape", format!("{header}.{body}")),
        row("one-part", "shape", header),
        row("dots-alone", "shape", ".."),
        row("empty-header", "shape", format!(".{body}.{signature}")),
        row("empty-claims", "shape", format!("{header}..{signature}")),
        row("empty-signature", "shape", format!("{header}.{body}.")),
        row("padded", "encoding", format!("{header}.{body}.{signature}==")),
        row("standard-base64", "encoding", format!("{header}.{body}.+/+/")),
        row("bits-left-over", "encoding", format!("{header}.{body}.AB")),
        row("tilde", "encoding", format!("~.{body}.{signature}")),
        row("huge", "size", "a".repeat(17 * 1024)),
        row("huge-and-signed", "size", signed(HEADER, &wide(13 * 1024))),
        row("large", "ok", signed(HEADER, &wide(10 * 1024))),
        row(
            "huge-header",
            "size",
            signed(&HEADER.replace("ed\"", &format!("{}\"", "k".repeat(4_000))), "{}"),
        ),
        row("header-is-no-json", "json", signed("{", &claims(&json!({})))),
        row("header-is-a-list", "json", signed("[]", &claims(&json!({})))),
        row("header-twice", "json", signed(&HEADER.replace("\"typ\"", "\"alg\""), "{}")),
        row("claims-are-text", "json", signed(HEADER, "\"text\"")),
        row("deep-claims", "json", signed(HEADER, &deep)),
        row("nested-token", "json", signed(HEADER, &good)),
        row("huge-number", "json", signed(HEADER, r#"{"exp":1e400}"#)),
        row("not-utf8", "json", format!("{header}.{}.{signature}", encoded(b"{\"a\":\"\xff\"}"))),
        row("claims-behind-claims", "json", signed(HEADER, "{} {}")),
    ]
}

/// What is signed with the wrong key, or not at all.
fn signatures(keys: &Keys) -> Vec<Row> {
    let plain = claims(&json!({}));
    let good = keys.ed(HEADER, &plain);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = keys.ed(HEADER, &claims(&json!({"sub": "mallory"})));
    let (forged, _) = other.rsplit_once('.').unwrap();
    let header =
        |alg: &str, kid: &str| json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
    let rsa_text = keys.rsa.jwk("rsa").to_string();
    let p256 = keys.p256.jwk("p256");
    let p256_point = p256["x"].as_str().unwrap().as_bytes();
    let embedded = json!({"alg": "EdDSA", "typ": "at+jwt", "jwk": keys.strange.jwk("x")});
    vec![
        row("rs256", "ok", keys.rsa.token(&header("RS256", "rsa"), &plain)),
        row("ps512", "ok", keys.rsa.pss_token(&header("PS512", "rsa"), &plain)),
        row("es256", "ok", keys.p256.token(&header("ES256", "p256"), &plain)),
        row("es384", "ok", keys.p384.token(&header("ES384", "p384"), &plain)),
        row("ed25519", "ok", keys.ed(&header("Ed25519", "ed"), &plain)),
        row("no-kid", "ok", keys.ed(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &plain)),
        row("forged-claims", "signature", format!("{forged}.{signature}")),
        row("strange-key", "signature", keys.strange.token(HEADER, &plain)),
        row("zero-signature", "signature", format!("{signed}.{}", encoded([0; 64]))),
        row("short-signature", "signature", format!("{signed}.AAAA")),
        row("zero-es256", "signature", {
            let signed = format!("{}.{}", encoded(header("ES256", "p256")), encoded(&plain));
            format!("{signed}.{}", encoded([0; 64]))
        }),
        row("ps-as-rs", "signature", keys.rsa.pss_token(&header("RS512", "rsa"), &plain)),
        row("rs-as-ps", "signature", keys.rsa.token(&header("PS256", "rsa"), &plain)),
        row("strange-key-no-kid", "key", {
            keys.strange.token(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &plain)
        }),
        row("own-key-in-header", "key", keys.strange.token(&embedded.to_string(), &plain)),
        row("rsa-name-ec-key", "algorithm", keys.p256.token(&header("RS256", "p256"), &plain)),
        row("ec-name-rsa-key", "algorithm", keys.rsa.token(&header("ES256", "rsa"), &plain)),
        row("other-curve", "algorithm", keys.p384.token(&header("ES256", "p384"), &plain)),
        row(
            "public-key-as-secret",
            "algorithm",
            hmac_token(&header("HS256", "rsa"), &plain, rsa_text.as_bytes()),
        ),
        row(
            "public-point-as-secret",
            "algorithm",
            hmac_token(&header("HS256", "p256"), &plain, p256_point),
        ),
        row("none-without-signature", "shape", {
            format!("{}.{}.", encoded(header("none", "ed")), encoded(&plain))
        }),
    ]
}

type Case<T> = (&'static str, &'static str, T);

/// Headers of tokens that are signed right.
fn headers() -> Vec<Case<String>> {
    let with = |change: Value| {
        let mut header: Value = serde_json::from_str(HEADER).unwrap();
        let members = header.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        header.to_string()
    };
    vec![
        ("alg-none", "algorithm", with(json!({"alg": "none"}))),
        ("alg-none-capital", "algorithm", with(json!({"alg": "None"}))),
        ("alg-none-upper", "algorithm", with(json!({"alg": "NONE"}))),
        ("alg-empty", "algorithm", with(json!({"alg": ""}))),
        ("alg-lower", "algorithm", with(json!({"alg": "eddsa"}))),
        ("alg-hs256", "algorithm", with(json!({"alg": "HS256"}))),
        ("alg-number", "algorithm", with(json!({"alg": 5}))),
        ("alg-list", "algorithm", with(json!({"alg": ["EdDSA"]}))),
        ("alg-absent", "algorithm", r#"{"typ":"at+jwt","kid":"ed"}"#.to_owned()),
        ("typ-prefixed", "ok", with(json!({"typ": "application/at+jwt"}))),
        ("typ-in-upper-case", "ok", with(json!({"typ": "Application/AT+JWT"}))),
        ("typ-jwt", "type", with(json!({"typ": "JWT"}))),
        ("typ-absent", "type", r#"{"alg":"EdDSA","kid":"ed"}"#.to_owned()),
        ("typ-empty", "type", with(json!({"typ": ""}))),
        ("typ-null", "type", with(json!({"typ": null}))),
        ("typ-number", "type", with(json!({"typ": 1}))),
        ("typ-other-prefix", "type", with(json!({"typ": "text/at+jwt"}))),
        ("crit", "critical", with(json!({"crit": ["exp"]}))),
        ("crit-empty", "critical", with(json!({"crit": []}))),
        ("b64-false", "critical", with(json!({"b64": false}))),
        ("b64-true", "ok", with(json!({"b64": true}))),
        ("kid-unknown", "key", with(json!({"kid": "other"}))),
        ("kid-in-upper-case", "key", with(json!({"kid": "ED"}))),
        ("kid-path", "key", with(json!({"kid": "../../../../dev/null"}))),
        ("kid-sql", "key", with(json!({"kid": "x' UNION SELECT 'evil' --"}))),
        ("kid-shell", "key", with(json!({"kid": "$(evil)|`evil`"}))),
        ("kid-empty", "key", with(json!({"kid": ""}))),
        ("kid-long", "key", with(json!({"kid": "k".repeat(2_000)}))),
        ("kid-number", "key", with(json!({"kid": 1}))),
        ("kid-list", "key", with(json!({"kid": ["ed"]}))),
        ("jku", "ok", with(json!({"jku": "https://evil.example/jwks"}))),
        ("x5u-and-x5c", "ok", with(json!({"x5u": "https://evil.example", "x5c": ["evil"]}))),
    ]
}

/// Claims that differ from good ones by a few members.
fn changes() -> Vec<Case<Value>> {
    let mut cases = time_changes();
    cases.extend([
        ("iss-other", "issuer", json!({"iss": "https://evil.example"})),
        ("iss-slash", "issuer", json!({"iss": "https://issuer.example/"})),
        ("iss-in-upper-case", "issuer", json!({"iss": "https://ISSUER.example"})),
        ("iss-list", "issuer", json!({"iss": ["https://issuer.example"]})),
        ("iss-absent", "issuer", json!({"iss": null})),
        ("aud-list", "ok", json!({"aud": ["https://other.example", RESOURCE]})),
        ("aud-host-in-upper-case", "ok", json!({"aud": "HTTPS://GATE.example/mcp"})),
        ("aud-path-in-upper-case", "audience", json!({"aud": "https://gate.example/MCP"})),
        ("aud-other", "audience", json!({"aud": "https://other.example/mcp"})),
        ("aud-origin", "audience", json!({"aud": "https://gate.example"})),
        ("aud-prefix", "audience", json!({"aud": "https://gate.example/mcp/../evil"})),
        ("aud-absent", "audience", json!({"aud": null})),
        ("aud-empty-list", "audience", json!({"aud": []})),
        ("aud-number", "audience", json!({"aud": 5})),
        ("aud-object", "audience", json!({"aud": {RESOURCE: true}})),
        ("aud-mixed-list", "audience", json!({"aud": [RESOURCE, 5]})),
        ("aud-nested-list", "audience", json!({"aud": [[RESOURCE]]})),
        ("sub-absent", "ok", json!({"sub": null})),
        ("sub-and-client-absent", "subject", json!({"sub": null, "client_id": null})),
        ("sub-empty", "subject", json!({"sub": ""})),
        ("sub-number", "subject", json!({"sub": 5})),
        ("client-number", "client", json!({"client_id": 5})),
        ("scope-number", "scopes", json!({"scope": 5})),
        ("scope-mixed-list", "scopes", json!({"scope": ["mcp:read", 5]})),
        ("groups-object", "groups", json!({"groups": {"admin": true}})),
        ("groups-mixed-list", "groups", json!({"groups": ["staff", null]})),
    ]);
    cases
}

fn time_changes() -> Vec<Case<Value>> {
    vec![
        ("exp-past", "expired", json!({"exp": NOW - 31, "iat": NOW - 600})),
        ("exp-on-the-edge", "expired", json!({"exp": NOW - 30})),
        ("exp-within-leeway", "ok", json!({"exp": NOW - 29})),
        ("exp-fraction", "ok", json!({"exp": 1_800_000_000.5})),
        ("exp-year-1970", "expired", json!({"exp": 0, "iat": null})),
        ("exp-text", "expiry", json!({"exp": "1800000300"})),
        ("exp-absent", "expiry", json!({"exp": null})),
        ("exp-list", "expiry", json!({"exp": [1_800_000_300]})),
        ("exp-true", "expiry", json!({"exp": true})),
        ("exp-negative", "expiry", json!({"exp": -1})),
        ("exp-huge", "expiry", json!({"exp": 1e300})),
        ("exp-largest-integer", "expiry", json!({"exp": u64::MAX})),
        ("exp-in-milliseconds", "expiry", json!({"exp": 1_800_000_300_000_u64})),
        ("exp-before-iat", "expiry", json!({"exp": NOW + 5, "iat": NOW + 10})),
        ("nbf-past", "ok", json!({"nbf": NOW - 5})),
        ("nbf-within-leeway", "ok", json!({"nbf": NOW + 30})),
        ("nbf-future", "premature", json!({"nbf": NOW + 31})),
        ("nbf-text", "time", json!({"nbf": "1800000000"})),
        ("nbf-negative", "time", json!({"nbf": -5})),
        ("nbf-smallest-integer", "time", json!({"nbf": i64::MIN})),
        ("iat-absent", "ok", json!({"iat": null})),
        ("iat-within-leeway", "ok", json!({"iat": NOW + 30})),
        ("iat-future", "future", json!({"iat": NOW + 31})),
        ("iat-text", "time", json!({"iat": "1799999940"})),
        ("iat-huge", "time", json!({"iat": 1e300})),
    ]
}

/// Claims that no serializer writes.
fn texts() -> Vec<Case<String>> {
    let good = claims(&json!({}));
    let twice = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    vec![
        ("sub-twice", "json", twice(r#""sub":"mallory""#)),
        ("sub-twice-escaped", "json", twice(r#""\u0073ub":"mallory""#)),
        ("exp-twice", "json", twice(r#""exp":1"#)),
        ("twice-below", "json", twice(r#""act":{"sub":"a","sub":"b"}"#)),
        ("no-claims", "issuer", "{}".to_owned()),
        ("spaces", "ok", good.replace("\":", "\" :\n")),
        ("exp-null", "expiry", twice("\"x\":1").replace("\"exp\":1800000300", "\"exp\":null")),
        ("exp-exponent", "ok", good.replace("1800000300", "1.8000003e9")),
    ]
}
