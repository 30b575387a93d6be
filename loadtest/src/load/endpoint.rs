//! Where calls go.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use http::{HeaderValue, Uri};

/// An MCP endpoint and what to call there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its URL; only loopback addresses are accepted.
    pub url: Uri,
    /// Who calls.
    pub bearer: Option<Bearer>,
    /// Tools that take `message` and give it back as the beginning of a text; they are called in turn.
    pub tools: Vec<String>,
}

/// The `Authorization` of all requests.
#[derive(Clone, Debug)]
pub struct Bearer(HeaderValue);

impl Bearer {
    /// Takes a token; white space around it does not count.
    ///
    /// # Errors
    ///
    /// When the token cannot stand in a header.
    pub fn new(token: &str) -> anyhow::Result<Self> {
        let token = token.trim();
        ensure!(!token.is_empty(), "the bearer token is empty");
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .ok()
            .context("the bearer token cannot stand in a header")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl Endpoint {
    /// Where to connect to.
    pub(crate) async fn address(&self) -> anyhow::Result<SocketAddr> {
        ensure!(self.url.scheme_str() == Some("http"), "the URL must begin with http://");
        let host = self.url.host().context("the URL names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(80);
        let mut found = tokio::net::lookup_host((host, port))
            .await
            .with_context(|| format!("cannot resolve {host}"))?;
        let Some(address) = found.next() else { bail!("{host} has no address") };
        ensure!(
            address.ip().is_loopback(),
            "{host} is {}: only loopback addresses may be put under load",
            address.ip()
        );
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_addresses_are_accepted() {
        for (url, accepted) in [
            ("http://127.0.0.1:8090/mcp", true),
            ("http://[::1]:8090/mcp", true),
            ("http://192.0.2.1:8090/mcp", false),
            ("https://127.0.0.1:8090/mcp", false),
            ("/mcp", false),
        ] {
            let endpoint =
                Endpoint { url: url.parse().expect("a URL"), bearer: None, tools: Vec::new() };
            assert_eq!(endpoint.address().await.is_ok(), accepted, "{url}");
        }
    }

    #[test]
    fn a_bearer_token_is_not_shown() {
        let bearer = Bearer::new(" secret\n").expect("a token");
        assert_eq!(bearer.header(), "Bearer secret");
        assert!(!format!("{bearer:?}").contains("secret"));
        for wrong in ["", "\n", "a\nb"] {
            assert!(Bearer::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
