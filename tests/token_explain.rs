//! `portcullis token explain`, as whoever operates a gateway calls it.

use std::io::Write;
use std::process::{Command, Stdio};

use portcullis::authn::Digest;
use portcullis_test_support::scenes::{guarded, knock};
use portcullis_test_support::{ConfigDir, Forger, Gateway, IdentityProvider, Key, Peers};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const ISSUER: &str = "https://id.example";
const REFERENCE: &str = include_str!("../docs/configuration.md");
/// What clients connect to by default.
const HERE: &str = "http://localhost:8090/mcp";

/// The exit code and all that was said about `input`.
fn explain(config: &ConfigDir, input: &str) -> (Option<i32>, String) {
    explain_at(config, &[], input)
}

/// The same with more arguments.
fn explain_at(config: &ConfigDir, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(BINARY)
        .args(["token", "explain", "--config"])
        .arg(config.path())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("UTF-8"))
}

#[test]
fn a_static_token_is_explained_and_not_printed() {
    let digest = Digest::of(b"sesame");
    let auth = format!("auth: {{mode: tokens, tokens: [{{name: ci, sha256: {digest}}}]}}\n");
    let config = ConfigDir::new().config(&auth);
    for (input, code, expected) in [
        ("sesame\n", 0, "ci of auth.tokens"),
        ("Bearer sesame", 0, "The gateway would accept it."),
        ("open-up", 1, "The gateway would refuse it: one check fails."),
        ("\n", 1, "there is no token on standard input"),
    ] {
        let (found, said) = explain(&config, input);
        assert_eq!(found, Some(code), "{input:?}: {said}");
        assert!(said.contains(expected), "{input:?}: {said}");
        assert!(!said.contains("sesame") && !said.contains("open-up"), "{said}");
    }
}

#[test]
fn without_authentication_there_is_nothing_to_explain() {
    let config = ConfigDir::new().config("auth: {mode: none}\n");
    let (code, said) = explain(&config, "anything");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("auth.mode is none: no token is looked at"), "{said}");
}

/// A configuration whose issuer has these keys in a file. `more` are further lines of `config.yaml`.
fn with_keys(forger: &Forger, issuer: &str, more: &str) -> ConfigDir {
    let auth = format!(
        "auth:\n  mode: oauth\n  issuers: [{{issuer: \"{ISSUER}\", jwksFile: keys.json{issuer}}}]\n  \
         scopes: {{required: [\"mcp:read\"]}}\n{more}"
    );
    ConfigDir::new().file("keys.json", &forger.jwks().to_string()).config(&auth)
}

/// What a good token says, but for `change`.
fn claims(audience: &str, change: &Value) -> Value {
    let now = Forger::now();
    let mut claims = json!({
        "iss": ISSUER, "aud": audience, "sub": "alice-the-person", "client_id": "app",
        "iat": now, "exp": now + 300, "scope": "mcp:read",
    });
    for (name, value) in change.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn every_check_of_a_jwt_that_fails_has_a_line_that_says_what_would_pass() {
    let forger = Forger::new();
    let config = with_keys(&forger, "", "");
    let token = |audience: &str, change: Value| forger.token(Key::Ec, &claims(audience, &change));
    let other = Forger::new().token(Key::Ec, &claims(HERE, &json!({})));
    let untyped = json!({"alg": "ES256", "kid": "ec"}).to_string();
    let untyped = forger.seal(Key::Ec, untyped, claims(HERE, &json!({})).to_string());
    for (name, token, code, line) in [
        (
            "good",
            token(HERE, json!({})),
            0,
            "ok    audience     has to be http://localhost:8090/mcp",
        ),
        ("elsewhere", token("http://localhost:8091/mcp", json!({})), 1, "FAIL  audience"),
        ("expired", token(HERE, json!({"exp": Forger::now() - 60})), 1, "FAIL  expiry"),
        ("early", token(HERE, json!({"nbf": Forger::now() + 600})), 1, "FAIL  not before"),
        ("lacks", token(HERE, json!({"scope": "x"})), 1, "FAIL  required     lacks mcp:read"),
        ("a stranger's", token(HERE, json!({"iss": "https://x"})), 1, "FAIL  issuer       none of"),
        ("another key", other, 1, "FAIL  signature"),
        ("no type", untyped, 1, "FAIL  type         none, of \"at+jwt\""),
    ] {
        let (found, said) = explain(&config, &token);
        assert_eq!(found, Some(code), "{name}: {said}");
        assert!(said.contains(line), "{name}: {said}");
        let is_repeated = token.split('.').any(|part| said.contains(part));
        assert!(!is_repeated && !said.contains("alice"), "{name}: {said}");
    }
}

#[test]
fn a_token_has_to_be_for_what_clients_of_this_configuration_connect_to() {
    let forger = Forger::new();
    let token = |audience: &str| forger.token(Key::Ed, &claims(audience, &json!({})));
    let public = "aggregator: {publicUrl: \"https://gate.example/gw\"}\n";
    let listed = "aggregator: {host: 0.0.0.0}\nhttp: {allowedHosts: [gate.example]}\n";
    let sse = "aggregator: {transport: sse, port: 7000}\n";
    let other = ["--resource", "http://127.0.0.1:8090/servers/a/mcp"];
    let neighbour = ["--resource", "http://127.0.0.1:1/mcp"];
    let foreign = ["--resource", "https://evil.example/mcp"];
    for (more, arguments, audience, code) in [
        ("", &[][..], HERE, 0),
        ("", &[], "http://127.0.0.1:8090/mcp", 1),
        ("", &other, "http://127.0.0.1:8090/servers/a/mcp", 0),
        ("", &other, HERE, 1),
        ("", &neighbour, "http://127.0.0.1:1/mcp", 1),
        ("", &foreign, "https://evil.example/mcp", 1),
        (sse, &[], "http://localhost:7000/sse", 0),
        (public, &[], "https://gate.example/gw/mcp", 0),
        (public, &[], HERE, 1),
        (public, &foreign, "https://evil.example/mcp", 1),
        (listed, &[], "http://gate.example:8090/mcp", 0),
        (listed, &foreign, "https://evil.example/mcp", 1),
    ] {
        let config = with_keys(&forger, "", more);
        let (found, said) = explain_at(&config, arguments, &token(audience));
        assert_eq!(found, Some(code), "{more:?} {arguments:?} {audience}: {said}");
        let word = if code == 0 { "ok    audience" } else { "FAIL  audience" };
        assert!(said.contains(word), "{more:?} {arguments:?} {audience}: {said}");
    }
    let config = with_keys(&forger, ", allowedAudiences: [api]", "");
    let (code, said) = explain_at(&config, &foreign, &token("api"));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_example_in_the_documentation_is_what_is_printed() {
    let after = |text: &'static str, start: &str| {
        text.split_once(start).unwrap_or_else(|| panic!("no {start}")).1
    };
    let block = |text: &'static str| text.split("\n```").next().expect("there is a first part");
    let section = after(REFERENCE, "### Issuers\n");
    let yaml = block(after(section, "```yaml\n"));
    let printed =
        block(after(section, "portcullis token explain --config /etc/portcullis < token\n"));
    let forger = Forger::new();
    let types = "acceptedTypHeaders: [at+jwt, JWT]";
    let yaml = yaml.replace(types, &format!("{types}\n      jwksFile: keys.json"));
    let config = ConfigDir::new().file("keys.json", &forger.jwks().to_string()).config(&yaml);
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": "ec"}).to_string();
    let claims = claims("account", &json!({"iss": "https://id.example.com/realms/main"}));
    let (code, said) = explain(&config, &forger.seal(Key::Ec, header, claims.to_string()));
    assert_eq!(code, Some(1), "{said}");
    // Times are those of the moment.
    let lines = |text: &str| -> Vec<String> {
        let times = ["ok    expiry", "ok    issued"];
        let known = |line: &str| times.into_iter().find(|it| line.starts_with(it));
        text.trim().lines().map(|line| known(line).unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(lines(&said), lines(printed));
}

#[tokio::test]
async fn what_is_said_of_a_real_token_is_what_the_gateway_does() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    let trusted = "allowPrivateIPJWKS: true";
    let asked = "introspection: {clientId: gateway, clientSecret: gateway-secret}";
    // As the gateway of the test has it: any free port.
    let config = guarded(issuer.url(), &[])
        .replace(trusted, &format!("{trusted}, {asked}"))
        .replace("{exposure: native}", "{exposure: native, port: 0}");
    let config = ConfigDir::new().config(&config);
    let gateway = Gateway::start(BINARY, config.path()).await;
    let here = ["--resource", gateway.url()];
    let elsewhere = ["--resource", "http://127.0.0.1:1/mcp"];
    let token =
        async |scopes: &str| issuer.token(IdentityProvider::SERVICE, scopes, gateway.url()).await;

    let (jwt, poor_jwt) = (token("mcp:read").await, token("mcp:write").await);
    issuer.opaque().await;
    let (opaque, poor, revoked) =
        (token("mcp:read").await, token("mcp:write").await, token("mcp:read").await);
    issuer.revoke(IdentityProvider::SERVICE, &revoked).await;
    for (name, token, status, line) in [
        ("a JWT", &jwt, 200, "ok    signature"),
        ("a JWT that lacks a scope", &poor_jwt, 403, "FAIL  required     lacks mcp:read"),
        ("an opaque token", &opaque, 200, "ok    active       says http://127.0.0.1:"),
        ("one that lacks a scope", &poor, 403, "FAIL  required     lacks mcp:read"),
        ("one that is revoked", &revoked, 401, "FAIL  active       says http://127.0.0.1:"),
    ] {
        let (code, said) = explain_at(&config, &here, token);
        assert_eq!(code, Some(i32::from(status != 200)), "{name}: {said}");
        assert!(said.contains(line) && !said.contains(&**token), "{name}: {said}");
        let answer = knock(gateway.url(), Some(token)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.head());
    }
    for (name, token) in [("a JWT", &jwt), ("an opaque token", &opaque)] {
        let (code, said) = explain_at(&config, &elsewhere, token);
        assert_eq!(code, Some(1), "{name}: {said}");
        let line = "FAIL  audience     has to be http://127.0.0.1:1/mcp";
        assert!(said.contains(line), "{name}: {said}");
    }
}
