//! `auth` of `config.yaml`: what fits together and what does not, with what is said about it.

use portcullis::app::load::load;
use portcullis::config::Environment;
use portcullis_test_support::ConfigDir;

/// The SHA-256 of `test`.
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000001";

/// All problems of a `config.yaml`, without the directory.
fn problems(yaml: &str) -> Vec<String> {
    let yaml = yaml.replace("DIGEST", DIGEST).replace("OTHER", OTHER);
    let directory = ConfigDir::new().config(&yaml);
    let loaded = load(Some(directory.path()), &Environment::default());
    let said = loaded.err().map(|refused| refused.to_string()).unwrap_or_default();
    let place = format!("{}/config.yaml:", directory.path().display());
    said.lines().map(|line| line.replace(&place, "").replace(DIGEST, "DIGEST")).collect()
}

#[test]
fn every_mode_has_a_configuration_that_works() {
    for yaml in [
        "auth: {mode: none}",
        "aggregator: {host: 0.0.0.0}\nauth: {mode: none, allowUnauthenticated: true}",
        "auth: {mode: tokens, tokens: [{name: ci, sha256: DIGEST}, {name: cd, sha256: OTHER}]}",
        "aggregator: {host: 0.0.0.0}\nauth: {mode: tokens, tokens: [{name: a, sha256: DIGEST}]}",
        "trustedProxies: [10.0.0.0/8]\nauth: {mode: header}",
        "auth: {mode: oauth, issuers: [{issuer: 'https://id.example'}]}",
        "auth: {mode: tokens, tokens: [{name: ci, sha256: DIGEST}], admin: {tokens: [ci]}}",
        "aggregator: {transport: stdio}",
        // Whatever is at its default may stand there.
        "auth: {header: {humanIDHeader: X-MCP-Human-ID}, tokens: [], issuers: [], mtls: {trustDomain: ''}}",
    ] {
        assert_eq!(problems(yaml), [""; 0], "{yaml}");
    }
}

#[test]
fn an_audience_beyond_loopback_is_never_what_a_stranger_says() {
    let host = "aggregator: {host: 0.0.0.0";
    let auth = |issuers: &str| format!("auth: {{mode: oauth, issuers: [{issuers}]}}");
    let one = auth("{issuer: 'https://a.example'}");
    let named = "{issuer: 'https://b.example', allowedAudiences: [gate]}";
    for yaml in [
        format!("{host}, publicUrl: 'https://gate.example'}}\n{one}"),
        format!("{host}}}\nhttp: {{allowedHosts: [gate.example]}}\n{one}"),
        format!("{host}}}\n{}", auth(named)),
    ] {
        assert_eq!(problems(&yaml), [""; 0], "{yaml}");
    }
    for yaml in [
        format!("{host}}}\n{one}"),
        format!("{host}}}\n{}", auth(&format!("{{issuer: 'https://a.example'}}, {named}"))),
    ] {
        let said = "1: aggregator.host: \"0.0.0.0\" lets others in, and anybody could say in a \
                    Host header which audience a token is for; set aggregator.publicUrl, \
                    http.allowedHosts, or allowedAudiences of every issuer";
        assert_eq!(problems(&yaml), [said], "{yaml}");
    }
}

#[test]
fn what_does_not_fit_together_is_named() {
    for (yaml, said) in [
        ("auth: {mode: tokens}", "1: auth.tokens: is empty, and auth.mode tokens needs it"),
        ("auth: {mode: oauth}", "1: auth.issuers: is empty, and auth.mode oauth needs it"),
        (
            "auth: {mode: header}",
            "1: trustedProxies: is empty, and auth.mode header believes nobody else; name the \
             networks of the proxies that say who is calling",
        ),
        (
            "auth:\n  tokens: [{name: ci, sha256: DIGEST}]",
            "2: auth.tokens: means nothing without auth.mode: tokens",
        ),
        (
            "auth:\n  issuers: [{issuer: 'https://id.example'}]",
            "2: auth.issuers: means nothing without auth.mode: oauth",
        ),
        (
            "auth:\n  header: {teamIDHeader: X-Team}",
            "2: auth.header: means nothing without auth.mode: header",
        ),
        ("auth:\n  jwks: {refresh: 1m}", "2: auth.jwks: means nothing without auth.mode: oauth"),
        (
            "auth:\n  mtls: {trustDomain: example.org}",
            "2: auth.mtls: means nothing without auth.mode: mtls",
        ),
        (
            "auth:\n  mode: tokens\n  tokens: [{name: ci, sha256: DIGEST}, {name: ci, sha256: OTHER}]",
            "3: auth.tokens: has two entries with the name \"ci\"; give each its own",
        ),
        (
            "auth:\n  mode: tokens\n  tokens: [{name: a, sha256: DIGEST}, {name: b, sha256: DIGEST}]",
            "3: auth.tokens: has one token under the names \"a\" and \"b\"; make another one with \
             `portcullis token new`",
        ),
        (
            "auth: {mode: tokens, tokens: [{name: ci, sha256: pct_sesame}]}",
            "1: auth.tokens[0].sha256: is not a digest; `portcullis token new NAME` \
             prints the line to paste",
        ),
        ("auth: {mode: tokens, tokens: [{sha256: DIGEST}]}", "1: auth.tokens[0].name: is missing"),
        ("auth: {mode: tokens, tokens: [{name: ci}]}", "1: auth.tokens[0].sha256: is missing"),
        (
            "auth: {mode: tokens, tokens: [{name: a b, sha256: DIGEST}]}",
            "1: auth.tokens[0].name: \"a b\" is not a name; use 1 to 100 printable characters \
             without spaces",
        ),
        (
            "auth: {mode: oauth, issuers: [{issuer: 'https://a.example'}, {issuer: 'https://a.example'}]}",
            "1: auth.issuers: has two entries of \"https://a.example\"; write one",
        ),
        (
            "trustedProxies: [10.0.0.1]\nauth: {mode: header, header: {humanIDHeader: a b}}",
            "2: auth.header.humanIDHeader: \"a b\" is not a header's name",
        ),
        (
            "auth: {admin: {tokens: [ci]}}",
            "1: auth.admin.tokens: names \"ci\", which is none of auth.tokens",
        ),
        (
            "auth: {scopes: {required: [mcp]}}",
            "1: auth.scopes: asks for scopes, and with auth.mode none nobody has any",
        ),
        (
            "auth: {admin: {groups: [ops]}}",
            "1: auth.admin.groups: names groups, and with auth.mode none nobody is in any",
        ),
        (
            "trustedProxies: [10.0.0.1]\nauth: {mode: header, admin: {scopes: [ops], groups: [ops]}}",
            "2: auth.admin.scopes: names scopes, and with auth.mode header nobody has any",
        ),
        (
            "aggregator: {host: 0.0.0.0}",
            "1: aggregator.host: \"0.0.0.0\" lets others in, and auth.mode none asks nobody who \
             they are; listen on localhost, choose another auth.mode, or set \
             auth.allowUnauthenticated: true if that is what you want",
        ),
        (
            "aggregator: {transport: stdio}\nauth: {mode: tokens, tokens: [{name: ci, sha256: DIGEST}]}",
            "2: auth.mode: \"tokens\" has nobody to ask on stdio, where whoever starts the \
             gateway is its only client; use none, or another aggregator.transport",
        ),
        (
            "aggregator: {oauth: {server: {enabled: true}}}",
            "1: aggregator.oauth.server.enabled: is not supported yet; auth.mode: oauth with \
             auth.issuers checks tokens of other authorization servers, as its trustedIssuers do",
        ),
        ("auth: {leeway: 6m}", "1: auth.leeway: \"6m\" is longer than 5m; set the clocks instead"),
        (
            "auth: {failureLimit: {perSecond: 0}}",
            "1: auth.failureLimit.perSecond: \"0\" is not a number from 0.001 to 1000000",
        ),
    ] {
        assert_eq!(problems(yaml), [said], "{yaml}");
    }
}
