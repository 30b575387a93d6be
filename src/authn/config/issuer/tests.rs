use std::path::Path;

use super::*;
use crate::config::{Environment, Location, Reader, parse_yaml};

/// What is wrong with an issuer that is written like this.
fn problems(text: &str) -> Vec<String> {
    let location = Location::file(Path::new("x.yaml"));
    let (documents, error) = parse_yaml(text, &location);
    assert!(error.is_none(), "{error:?}");
    let environment = Environment::default();
    let mut reader = Reader::new(location, Path::new(""), &environment);
    let mut issuer = Issuer::default();
    reader.document(Some(&documents[0].root), |fields| issuer.read(fields));
    let (problems, _) = reader.finish();
    problems.iter().map(|it| it.to_string().replace("x.yaml:1: ", "")).collect()
}

#[test]
fn keys_and_secrets_are_sent_encrypted_or_stay_on_this_machine() {
    let how = "clientId: c, clientSecret: s";
    for (text, key) in [
        ("jwksUrl: \"URL/keys\"".to_owned(), "jwksUrl"),
        (format!("introspection: {{endpoint: \"URL/keys\", {how}}}"), "introspection.endpoint"),
    ] {
        for (url, is_good) in [
            ("https://id.example", true),
            ("http://localhost:9000", true),
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("http://id.example", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            let text = format!("{{issuer: https://id.example, {text}}}").replace("URL", url);
            let wrong = format!("{key}: \"{url}/keys\" is not encrypted; use https://");
            let expected = if is_good { vec![] } else { vec![wrong] };
            assert_eq!(problems(&text), expected, "{text}");
        }
    }
}

#[test]
fn an_issuer_is_an_encrypted_url_without_query_and_fragment() {
    for (issuer, fault) in [
        ("https://id.example/tenant", None),
        ("http://localhost:9000", None),
        ("http://id.example", Some("is not encrypted; use https://")),
        ("https://id.example?a=b", Some("has a query, which an issuer cannot have")),
        ("https://id.example#a", Some("has a fragment, which is never sent; remove #…")),
    ] {
        let problems = problems(&format!("{{issuer: \"{issuer}\"}}"));
        let is_told = problems.iter().all(|it| fault.is_some_and(|fault| it.ends_with(fault)));
        assert!(is_told && problems.len() == usize::from(fault.is_some()), "{problems:?}");
    }
    assert_eq!(problems("{jwksUrl: https://id.example/keys}"), ["issuer: is missing"]);
}

#[test]
fn a_host_that_may_be_private_is_a_name_or_an_address_alone() {
    let with = |host: &str| {
        problems(&format!("{{issuer: https://id.example, allowPrivateIPJWKSHosts: [\"{host}\"]}}"))
    };
    for host in ["id.example", "localhost", "10.0.0.1", "::1", "[::1]"] {
        assert_eq!(with(host), Vec::<String>::new(), "{host}");
    }
    for host in ["https://id.example", "id.example:8443", "*.example", "", "10.0.0.0/8"] {
        let fault = "is not a host; write a name or an address, without scheme and port";
        let expected = format!("allowPrivateIPJWKSHosts[0]: \"{host}\" {fault}");
        assert_eq!(with(host), [expected]);
    }
}

#[test]
fn where_to_ask_about_tokens_is_known_or_can_be_found() {
    let with = |text: &str| {
        problems(&format!(
            "{{issuer: https://id.example, {text} introspection: {{clientId: c, clientSecret: s}}}}"
        ))
    };
    assert_eq!(with(""), Vec::<String>::new());
    let fault = "introspection.endpoint: is missing; with jwksUrl or jwksFile no metadata is \
                 asked for it";
    assert_eq!(with("jwksUrl: https://id.example/keys,"), [fault]);
    let incomplete = problems("{issuer: https://id.example, introspection: {clientId: \"\"}}");
    assert_eq!(incomplete.len(), 3, "{incomplete:?}");
}
