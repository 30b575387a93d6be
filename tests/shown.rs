//! A configuration as the gateway shows it: every key, with what it comes to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use portcullis::app::config::Config;
use portcullis::app::load::load;
use portcullis::authn::Digest;
use portcullis::config::{Data, Environment, Location, Node, Shown, parse_yaml};
use portcullis_test_support::ConfigDir;
use serde_json::{Value as Json, json};

/// `auth` in each mode, whose keys cannot stand beside those of another.
const MODES: [&str; 5] = [
    "{mode: none, allowUnauthenticated: true}",
    "
  mode: tokens
  allowUnauthenticated: true
  leeway: 1m
  streamGrace: 1m
  tokens: [{name: ci, sha256: DIGEST, scopes: [a, b], groups: [ops]}]
  failureLimit: {perSecond: 0.5, burst: 3}
  scopes: {required: [a], tools: [{backend: a, tool: 'b*', annotation: readOnlyHint=false, scopes: [c]}], hidden: show}
  admin: {scopes: [a], groups: [ops], tokens: [ci]}",
    "{mode: mtls, mtls: {trustDomain: example.org}}",
    "{mode: header, header: {humanIDHeader: x-user, agentIDHeader: x-agent, teamIDHeader: x-team}}",
    "
  mode: oauth
  jwks: {refresh: 5m, grace: 2h, coolDown: 20s}
  issuers:
  - issuer: https://id.example
    jwksUrl: https://id.example/jwks
    jwksFile: null
    allowedAudiences: [gate, 'https://gate.example/mcp']
    allowedScopes: ['mcp:*']
    allowedClaims: {team: 'core-*'}
    subjectClaim: email
    scopesClaims: [roles]
    groupsClaim: teams
    allowPrivateIPJWKS: true
    allowPrivateIPJWKSHosts: [id.example]
    acceptedTypHeaders: [JWT]
    algorithms: [ES256]
    introspection: {endpoint: https://id.example/introspect, clientId: gate, clientSecret: sesame}",
];
/// Keys that are never shown.
const SECRETS: [&str; 2] = ["sha256", "clientSecret"];

/// What a document says, each value as text behind the path of its key.
fn said(node: &Node, path: &str) -> Vec<(String, String)> {
    match &node.data {
        Data::Map(entries) => {
            let below = entries
                .iter()
                .flat_map(|entry| said(&entry.value, &format!("{path}.{}", entry.key)));
            below.collect()
        }
        Data::List(items) => {
            let items: Vec<_> = items.iter().map(item_said).collect();
            vec![(path[1..].to_owned(), format!("[{}]", items.join(", ")))]
        }
        _ => vec![(path[1..].to_owned(), node.text().unwrap_or("null").to_owned())],
    }
}

/// What stands in a list: a mapping as `key=value` for each of its keys, and a list in it in brackets.
fn item_said(item: &Node) -> String {
    if let Data::List(items) = &item.data {
        return format!("[{}]", items.iter().map(item_said).collect::<Vec<_>>().join(", "));
    }
    let entries = item.entries().iter().filter(|it| !SECRETS.contains(&it.key.as_str()));
    let pairs = entries.map(|it| (it.key.clone(), item_said(&it.value)));
    match &item.data {
        Data::Map(_) => joined(pairs),
        _ => item.text().unwrap_or("null").to_owned(),
    }
}

fn item_shown(item: &Json) -> String {
    match item {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(item_shown).collect::<Vec<_>>().join(", "))
        }
        Json::Object(keys) => {
            joined(keys.iter().map(|(key, value)| (key.clone(), item_shown(value))))
        }
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pairs: BTreeSet<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    pairs.into_iter().collect::<Vec<_>>().join(" ")
}

fn shown(value: &Json, path: &str) -> Vec<(String, String)> {
    let text = match value {
        Json::Object(keys) => {
            let below = keys.iter().flat_map(|(key, value)| shown(value, &format!("{path}.{key}")));
            return below.collect();
        }
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(item_shown).collect();
            format!("[{}]", items.join(", "))
        }
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    vec![(path[1..].to_owned(), text)]
}

fn document(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).expect("the document");
    let (documents, error) = parse_yaml(&text, &Location::file(path));
    assert!(error.is_none(), "{error:?}");
    let mut said = said(&documents[0].root, "");
    said.sort();
    said
}

fn shown_of(config: &Config) -> Vec<(String, String)> {
    let mut shown = shown(&config.shown(), "");
    shown.sort();
    shown
}

#[test]
fn every_key_is_shown_and_its_default_is_the_documented_one() {
    let mut reference = document(Path::new("config/reference/config.yaml"));
    // `auto` is decided when the configuration is read; what is shown is what came of it.
    let format = reference.iter_mut().find(|(key, _)| key == "logging.format").expect("the key");
    assert_eq!(format.1, "auto");
    format.1 = Config::default().shown()["logging"]["format"].as_str().expect("a word").to_owned();
    assert!(["text", "json"].contains(&format.1.as_str()), "{format:?}");
    assert_eq!(shown_of(&Config::default()), reference);
}

#[test]
fn what_a_configuration_says_is_what_is_shown() {
    let text = "\
aggregator: {host: 0.0.0.0, port: 1, transport: sse, musterPrefix: y, exposure: both, publicUrl: 'https://a.example.com/gate', tls: {certFile: /certificate, keyFile: /private, clientCaFile: /certificate}}
http:
  maxBodyBytes: 2048
  maxInFlight: 2
  maxStreams: 3
  allowedHosts: [a.example.com, 'b.example.com:8443']
  allowedOrigins: ['https://a.example.com']
  drain: 1m30s
  keepAlive: 2s500ms
trustedProxies: [10.0.0.0/8]
rateLimit: {perSecond: 2, burst: 3}
toolLimits: [{backend: a, tool: 'b*', per: session, maxInFlight: 2, perSecond: 0.5, burst: 4}]
sessions: {keyFiles: [/key], maxAge: 36h}
catalogue: {grace: 1s, firstListWait: 250ms}
denylist: {enabled: false, allow: [{backend: a, tool: cleanup}], block: [{backend: 'b*', tool: '*'}]}
metrics: {host: '::1', port: 2, musterNames: true, tls: {certFile: /certificate, keyFile: /private, clientCaFile: /certificate}}
logging: {level: debug, format: text, calls: false}
auth: ";
    let own = rcgen::generate_simple_self_signed([]).expect("a certificate");
    let directory = ConfigDir::new()
        .file("key", &"01".repeat(32))
        .file("certificate", &own.cert.pem())
        .file("private", &own.signing_key.serialize_pem());
    let key = directory.path().join("key");
    let place = |text: String, name: &str| {
        text.replace(name, &format!("{}{name}", directory.path().display()))
    };
    let text = ["/key", "/certificate", "/private"].into_iter().fold(text.to_owned(), place);
    let digest = Digest::of(b"sesame").to_string();
    let default = shown_of(&Config::default());
    let mut changed = BTreeSet::from(["logging.format".to_owned()]);
    for auth in MODES {
        let auth = auth.replace("DIGEST", &digest);
        let with = ConfigDir::new().config(&format!("{text}{auth}\n"));
        let loaded = load(Some(with.path()), &Environment::default());
        let config = loaded.unwrap_or_else(|refused| panic!("{refused}")).config;
        let json = config.shown();
        assert_eq!(json["sessions"]["keyFiles"], json!([key]));
        assert!(!json.to_string().contains(&digest) && !json.to_string().contains("sesame"));

        let said = document(&with.path().join("config.yaml"));
        let mut found = shown_of(&config);
        let host = found.iter_mut().find(|(key, _)| key == "metrics.host").expect("the key");
        assert_eq!(host.1, "[::1]", "as it stands in a URL");
        host.1 = "::1".to_owned();
        for line in &said {
            assert!(found.contains(line), "{line:?} is not in {found:#?}");
        }
        let is_said = |key: &str| said.iter().any(|(said, _)| said == key);
        for ((key, value), (_, default)) in found.iter().zip(&default) {
            assert!(is_said(key) || value == default, "{key} is {value} and nobody has said so");
        }
        let other = found.iter().zip(&default).filter(|((_, value), (_, other))| value != other);
        changed.extend(other.map(|((key, _), _)| key.clone()));
    }
    for (key, _) in default {
        assert!(changed.contains(&key), "{key} shows its default in every mode");
    }
}
