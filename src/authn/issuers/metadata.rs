//! The metadata of an authorization server (RFC 8414, `OpenID` Connect Discovery 1.0).

use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::failure::Failure;
use crate::outbound::Fetcher;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
/// How much of a name that is not ours is shown.
const SHOWN: usize = 200;

/// What the metadata says that matters to a resource server.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) url: Url,
    pub(super) jwks: Option<Url>,
    pub(super) introspection: Option<Url>,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<Box<str>>,
    jwks_uri: Option<Box<str>>,
    introspection_endpoint: Option<Box<str>>,
}

/// Asks `issuer` for its metadata, at each place where it may be.
pub(super) async fn discover(issuer: &Arc<str>, fetcher: &Fetcher) -> Result<Metadata, Failure> {
    let mut first = None;
    for url in places(issuer) {
        let failure = match fetcher.get(&url).await {
            Ok(document) => match read(issuer, &url, &document) {
                Ok(metadata) => return Ok(metadata),
                Err(failure) => failure,
            },
            Err(error) => {
                let is_answer = error.is_answer();
                let failure = Failure::Fetch { url, error: Box::new(error) };
                if !is_answer {
                    // The other places are on the same host.
                    return Err(failure);
                }
                failure
            }
        };
        // A document that is wrong says more than one that is not there.
        match &first {
            Some(Failure::Fetch { .. }) if !matches!(failure, Failure::Fetch { .. }) => {
                first = Some(failure);
            }
            Some(_) => {}
            None => first = Some(failure),
        }
    }
    Err(first.expect("there is a place for every issuer"))
}

/// Where the metadata may be, in the order of MCP 2025-11-25, "Authorization Server Metadata
/// Discovery".
fn places(issuer: &str) -> Vec<Url> {
    let issuer = Url::parse(issuer).expect("the configuration has been checked");
    let path = issuer.path().trim_end_matches('/');
    let paths = match path {
        "" => vec![OAUTH.to_owned(), OPENID.to_owned()],
        _ => vec![format!("{OAUTH}{path}"), format!("{OPENID}{path}"), format!("{path}{OPENID}")],
    };
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    paths.into_iter().map(at).collect()
}

/// Reads a document, which must be `issuer`'s own (RFC 8414 §3.3).
fn read(issuer: &str, url: &Url, document: &[u8]) -> Result<Metadata, Failure> {
    let wrong = |what| Failure::Metadata { url: url.clone(), what };
    let document: Document = serde_json::from_slice(document).map_err(|error| {
        wrong(match error.classify() {
            serde_json::error::Category::Data => "a member is of a wrong type",
            _ => "it is no JSON",
        })
    })?;
    let named = document.issuer.ok_or_else(|| wrong("it names no issuer"))?;
    if *named != *issuer {
        let named = named.chars().take(SHOWN).collect::<String>().into();
        return Err(Failure::OtherIssuer { url: url.clone(), named });
    }
    let address = |text: Option<Box<str>>| text.map(|text| Url::parse(&text)).transpose();
    let jwks = address(document.jwks_uri).map_err(|_| wrong("its jwks_uri is no URL"))?;
    let introspection = address(document.introspection_endpoint)
        .map_err(|_| wrong("its introspection_endpoint is no URL"))?;
    Ok(Metadata { url: url.clone(), jwks, introspection })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_the_specification_says() {
        for (issuer, expected) in [
            (
                "https://idp.example",
                &[
                    "https://idp.example/.well-known/oauth-authorization-server",
                    "https://idp.example/.well-known/openid-configuration",
                ][..],
            ),
            (
                "https://idp.example:8443/",
                &[
                    "https://idp.example:8443/.well-known/oauth-authorization-server",
                    "https://idp.example:8443/.well-known/openid-configuration",
                ],
            ),
            (
                "https://idp.example/a/b/",
                &[
                    "https://idp.example/.well-known/oauth-authorization-server/a/b",
                    "https://idp.example/.well-known/openid-configuration/a/b",
                    "https://idp.example/a/b/.well-known/openid-configuration",
                ],
            ),
        ] {
            let places: Vec<_> = places(issuer).iter().map(Url::to_string).collect();
            assert_eq!(places, expected, "{issuer}");
        }
    }

    #[test]
    fn a_document_counts_only_if_its_issuer_is_the_same_byte_for_byte() {
        let issuer = "https://idp.example/a";
        let url = Url::parse(issuer).unwrap();
        let failure = |document: &str| read(issuer, &url, document.as_bytes()).unwrap_err().chain();
        for (document, message) in [
            (
                r#"{"issuer":"https://idp.example/a/"}"#,
                r#"https://idp.example/a is the metadata of "https://idp.example/a/""#,
            ),
            (
                r#"{"issuer":"https://IDP.example/a"}"#,
                r#"https://idp.example/a is the metadata of "https://IDP.example/a""#,
            ),
            (
                r#"{"jwks_uri":"https://idp.example/keys"}"#,
                "https://idp.example/a is no metadata of an authorization server: it names no issuer",
            ),
            (
                r#"{"issuer":1}"#,
                "https://idp.example/a is no metadata of an authorization server: a member is of a \
                 wrong type",
            ),
            (
                r#"{"issuer":"https://idp.example/a","jwks_uri":"/keys"}"#,
                "https://idp.example/a is no metadata of an authorization server: its jwks_uri is no \
                 URL",
            ),
            (
                "<html>",
                "https://idp.example/a is no metadata of an authorization server: it is no JSON",
            ),
        ] {
            assert_eq!(failure(document), message);
        }
        let document = r#"{"issuer":"https://idp.example/a","jwks_uri":"https://keys.example/"}"#;
        let metadata = read(issuer, &url, document.as_bytes()).unwrap();
        assert_eq!(metadata.jwks.unwrap().as_str(), "https://keys.example/");
        assert!(metadata.introspection.is_none());
    }
}
