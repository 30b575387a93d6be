//! What the gateway is to OAuth clients: a protected resource at each of its endpoints (RFC 8707,
//! RFC 9728).

use std::sync::Arc;

use serde_json::{Value as Json, json};
use url::Url;

use super::identifier::is_same;
use crate::call::Names;
use crate::config::{Hosts, is_authority, is_dns_label};

/// Where metadata is, between host and path of a resource (RFC 9728 §3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// What people are told the resource is.
const NAME: &str = "Portcullis";
/// Means something to authorization servers, and nothing to a resource (MCP 2026-07-28,
/// Authorization, "Refresh Tokens").
const OFFLINE: &str = "offline_access";

/// What a client connected to, as far as the request tells: scheme, and host with port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `host[:port]`; empty if nobody said a host.
    pub authority: &'a str,
}

/// The gateway's resource identifiers.
#[derive(Clone, Debug)]
pub struct Resources {
    public: Option<Url>,
    main: &'static str,
    hosts: Hosts,
    /// None if no authorization server's tokens count.
    servers: Box<[Arc<str>]>,
    scopes: Names,
}

impl Resources {
    /// Clients reach the gateway under `public`, if it is given. Otherwise nobody's name for it
    /// counts, unless it is one of its [hosts](Self::at).
    pub fn new(public: Option<Url>) -> Self {
        Self {
            public,
            main: "/mcp",
            hosts: Hosts::default(),
            servers: Box::default(),
            scopes: Names::default(),
        }
    }

    /// `main` is the path of the endpoint that clients are told of. A token may be for a host that
    /// is one of `listed`, or for a name of loopback with the port `loopback`, if only this machine
    /// can connect: another port of it is another service, whose tokens are none of ours.
    #[must_use]
    pub fn at(self, main: &'static str, loopback: Option<u16>, listed: &[String]) -> Self {
        let hosts = Hosts::new(loopback.is_some(), listed.to_vec());
        let hosts = match loopback {
            Some(port) => hosts.at_port(port),
            None => hosts,
        };
        Self { main, hosts, ..self }
    }

    /// The issuers whose tokens count, byte for byte as they are configured, and the scopes that
    /// every token needs.
    #[must_use]
    pub fn guarded_by(self, issuers: impl IntoIterator<Item = Arc<str>>, required: &Names) -> Self {
        Self { servers: issuers.into_iter().collect(), scopes: required.clone(), ..self }
    }

    /// Where the metadata of the endpoint at `path` is (RFC 9728 §3.1); there is none without
    /// authorization servers, for what is no endpoint, and where nobody can tell our own address.
    pub fn metadata_url(&self, origin: Origin<'_>, path: &str) -> Option<String> {
        let path = self.endpoint(path).filter(|_| !self.servers.is_empty())?;
        match &self.public {
            Some(public) => {
                let (site, prefix) = (public.origin().ascii_serialization(), self.prefix());
                Some(format!("{site}{WELL_KNOWN}{prefix}{path}"))
            }
            None if is_authority(origin.authority) => {
                Some(format!("{}://{}{WELL_KNOWN}{path}", origin.scheme, origin.authority))
            }
            None => None,
        }
    }

    /// The metadata of the endpoint at `path` (RFC 9728 §2), in the same cases.
    pub fn document(&self, origin: Origin<'_>, path: &str) -> Option<Json> {
        self.metadata_url(origin, path)?;
        let mut document = json!({
            "resource": self.identifier(origin, path),
            "authorization_servers": self.servers,
            "bearer_methods_supported": ["header"],
            "resource_name": NAME,
        });
        let scopes: Vec<_> = self.scopes.iter().filter(|scope| *scope != OFFLINE).collect();
        if !scopes.is_empty() {
            document["scopes_supported"] = json!(scopes);
        }
        Some(document)
    }

    /// The identifier of the endpoint at `path`: its URL as the client knows it. That it is one of
    /// ours only [`audience`](Self::audience) can tell.
    pub fn identifier(&self, origin: Origin<'_>, path: &str) -> String {
        let path = self.endpoint(path).unwrap_or(path);
        match &self.public {
            Some(public) => format!("{}{path}", public.as_str().trim_end_matches('/')),
            None => format!("{}://{}{path}", origin.scheme, origin.authority),
        }
    }

    /// The same, if a token may be for it: a host that anybody could have made up is none of ours.
    pub fn audience(&self, origin: Origin<'_>, path: &str) -> Option<String> {
        let is_ours = self.public.is_some()
            || (is_authority(origin.authority) && self.hosts.contains(origin.authority));
        is_ours.then(|| self.identifier(origin, path))
    }

    /// What a token has to be for if the client has connected to `url`; none if that is not ours.
    pub fn audience_at(&self, url: &Url) -> Option<String> {
        let (scheme, authority) = (url.scheme(), url.authority());
        let below = match &self.public {
            Some(public) if public.origin() == url.origin() => {
                url.path().strip_prefix(self.prefix())?
            }
            _ => url.path(),
        };
        self.audience(Origin { scheme, authority }, self.endpoint(below)?)
    }

    /// Whether a token for `audience` is for the endpoint at `path`.
    pub fn accepts(&self, audience: &str, origin: Origin<'_>, path: &str) -> bool {
        self.audience(origin, path).is_some_and(|ours| is_same(audience, &ours))
    }

    /// The path of the endpoint that clients are told of.
    pub fn main(&self) -> &'static str {
        self.main
    }

    /// What stands before the path of an endpoint as clients see it.
    pub fn prefix(&self) -> &str {
        self.public.as_ref().map_or("", |public| public.path().trim_end_matches('/'))
    }

    /// Whether the metadata is the same whatever a request says.
    pub fn is_public(&self) -> bool {
        self.public.is_some()
    }

    /// What a client connected to that sends requests to `path`, if a token can be for that.
    /// Nothing in it has to be quoted wherever it stands.
    fn endpoint<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path {
            "/mcp" | "/sse" => Some(path),
            // The client has never been told of another one than `/sse`.
            "/message" => Some("/sse"),
            // Whoever looks after the gateway has a token for what clients are told of.
            "/ready" => Some(self.main),
            _ => {
                let name = path.strip_prefix("/servers/")?.strip_suffix("/mcp")?;
                is_dns_label(name).then_some(path)
            }
        }
    }
}

#[cfg(test)]
mod tests;
