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
    /// is one of `listed`, or a name of loopback if only this machine can connect.
    #[must_use]
    pub fn at(self, main: &'static str, is_loopback: bool, listed: &[String]) -> Self {
        Self { main, hosts: Hosts::new(is_loopback, listed.to_vec()), ..self }
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
mod tests {
    use super::*;

    const HTTPS: Origin<'_> = Origin { scheme: "https", authority: "gate.example" };
    const LOCAL: Origin<'_> = Origin { scheme: "http", authority: "localhost:8090" };

    fn resources(public: Option<&str>) -> Resources {
        let scopes = ["mcp", "offline_access"].into_iter().collect();
        Resources::new(public.map(|url| url.parse().unwrap()))
            .at("/mcp", true, &["gate.example".to_owned()])
            .guarded_by(["https://login.example/".into()], &scopes)
    }

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        for (public, origin, path, url) in [
            (None, LOCAL, "/mcp", Some(format!("http://localhost:8090{ROOT}/mcp"))),
            (
                None,
                HTTPS,
                "/servers/a/mcp",
                Some(format!("https://gate.example{ROOT}/servers/a/mcp")),
            ),
            (None, HTTPS, "/message", Some(format!("https://gate.example{ROOT}/sse"))),
            (None, HTTPS, "/ready", Some(format!("https://gate.example{ROOT}/mcp"))),
            (
                Some("https://x.example/"),
                LOCAL,
                "/mcp",
                Some(format!("https://x.example{ROOT}/mcp")),
            ),
            (
                Some("https://x.example/gw"),
                LOCAL,
                "/mcp",
                Some(format!("https://x.example{ROOT}/gw/mcp")),
            ),
            (
                Some("https://x.example:8443/gw/"),
                LOCAL,
                "/sse",
                Some(format!("https://x.example:8443{ROOT}/gw/sse")),
            ),
            (None, LOCAL, "/servers/../mcp", None),
            (None, LOCAL, "/servers/a\"b/mcp", None),
            (None, LOCAL, "/servers/ä/mcp", None),
            (None, LOCAL, "/health", None),
            (None, Origin { scheme: "http", authority: "" }, "/mcp", None),
            (None, Origin { scheme: "http", authority: "a\", x=\"b" }, "/mcp", None),
        ] {
            let found = resources(public).metadata_url(origin, path);
            assert_eq!(found, url, "{public:?} {origin:?} {path}");
        }
        assert_eq!(Resources::new(None).metadata_url(LOCAL, "/mcp"), None, "nobody gives tokens");
    }

    #[test]
    fn the_document_says_what_a_client_needs_and_nothing_else() {
        let expected = json!({
            "resource": "https://gate.example/gw/servers/a/mcp",
            "authorization_servers": ["https://login.example/"],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["mcp"],
            "resource_name": "Portcullis",
        });
        let guarded = resources(Some("https://Gate.example:443/gw/"));
        assert_eq!(guarded.document(LOCAL, "/servers/a/mcp"), Some(expected));
        let without = guarded.guarded_by(["https://a.example".into()], &Names::default());
        let document = without.document(LOCAL, "/mcp").unwrap();
        assert!(document.get("scopes_supported").is_none(), "{document}");
        assert_eq!(Resources::new(None).document(LOCAL, "/mcp"), None);
    }

    #[test]
    fn a_token_is_for_the_endpoint_that_is_called() {
        for (name, public, origin, path, audience, accepted) in [
            ("itself", None, LOCAL, "/mcp", "http://localhost:8090/mcp", true),
            ("upper case", None, LOCAL, "/mcp", "HTTP://LOCALHOST:8090/mcp", true),
            ("the gateway's", None, LOCAL, "/ready", "http://localhost:8090/mcp", true),
            (
                "a server's alone",
                None,
                LOCAL,
                "/ready",
                "http://localhost:8090/servers/a/mcp",
                false,
            ),
            ("another path", None, LOCAL, "/mcp", "http://localhost:8090/servers/a/mcp", false),
            ("its parent", None, LOCAL, "/mcp", "http://localhost:8090", false),
            ("a slash behind", None, LOCAL, "/mcp", "http://localhost:8090/mcp/", false),
            ("an upper-case path", None, LOCAL, "/mcp", "http://localhost:8090/MCP", false),
            ("an escaped path", None, LOCAL, "/mcp", "http://localhost:8090/%6Dcp", false),
            ("a query", None, LOCAL, "/mcp", "http://localhost:8090/mcp?x", false),
            ("a user", None, LOCAL, "/mcp", "http://u@localhost:8090/mcp", false),
            ("another scheme", None, LOCAL, "/mcp", "https://localhost:8090/mcp", false),
            ("another port", None, LOCAL, "/mcp", "http://localhost:1/mcp", false),
            ("no port", None, LOCAL, "/mcp", "http://localhost/mcp", false),
            ("the default port", None, HTTPS, "/mcp", "https://gate.example:443/mcp", true),
            ("another's default port", None, HTTPS, "/mcp", "https://gate.example:80/mcp", false),
            ("no URL", None, LOCAL, "/mcp", "portcullis", false),
            ("nothing", None, LOCAL, "/mcp", "", false),
            ("messages of /sse", None, LOCAL, "/message", "http://localhost:8090/sse", true),
            ("the state of servers", None, LOCAL, "/ready", "http://localhost:8090/mcp", true),
            ("the state alone", None, LOCAL, "/ready", "http://localhost:8090/ready", false),
            (
                "the public URL",
                Some("https://x.example/gw"),
                LOCAL,
                "/mcp",
                "https://X.example/gw/mcp",
                true,
            ),
            (
                "the host beside it",
                Some("https://x.example"),
                LOCAL,
                "/mcp",
                "http://localhost:8090/mcp",
                false,
            ),
        ] {
            assert_eq!(resources(public).accepts(audience, origin, path), accepted, "{name}");
        }
    }

    #[test]
    fn what_a_client_connects_to_tells_what_its_token_is_for() {
        for (public, url, audience) in [
            (None, "http://localhost:8090/mcp", Some("http://localhost:8090/mcp")),
            (None, "http://LOCALHOST:80/mcp", Some("http://localhost/mcp")),
            (
                None,
                "https://gate.example/servers/a/mcp",
                Some("https://gate.example/servers/a/mcp"),
            ),
            (None, "http://localhost:8090/message?x=1", Some("http://localhost:8090/sse")),
            (None, "http://localhost:8090/health", None),
            (None, "http://evil.example/mcp", None),
            (None, "http://gate.example@evil.example/mcp", None),
            (
                Some("https://x.example/gw"),
                "https://x.example/gw/mcp",
                Some("https://x.example/gw/mcp"),
            ),
            (
                Some("https://x.example/gw/"),
                "https://x.example/gw/sse",
                Some("https://x.example/gw/sse"),
            ),
            (Some("https://x.example/gw"), "https://x.example/mcp", None),
            // Past the proxy, it is called as clients know it.
            (
                Some("https://x.example/gw"),
                "http://10.0.0.1:8090/mcp",
                Some("https://x.example/gw/mcp"),
            ),
        ] {
            let found = resources(public).audience_at(&url.parse().unwrap());
            assert_eq!(found.as_deref(), audience, "{public:?} {url}");
        }
    }

    #[test]
    fn a_host_that_anybody_can_make_up_makes_no_audience() {
        let at = |authority| Origin { scheme: "https", authority };
        let loopback = resources(None);
        let beyond = |hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
            Resources::new(None).at("/mcp", false, &hosts)
        };
        for (name, resources, authority, is_ours) in [
            ("loopback", loopback.clone(), "127.0.0.1:1", true),
            ("listed", loopback.clone(), "Gate.example:1", true),
            ("neither", loopback.clone(), "evil.example", false),
            ("none", loopback, "", false),
            ("nothing listed", beyond(&[]), "gate.example", false),
            ("beyond loopback", beyond(&["gate.example"]), "localhost", false),
            ("listed beyond loopback", beyond(&["gate.example"]), "gate.example", true),
            ("behind a user", beyond(&["gate.example"]), "x@gate.example", false),
        ] {
            let audience = resources.audience(at(authority), "/mcp");
            assert_eq!(audience.is_some(), is_ours, "{name}");
            let ours = format!("https://{authority}/mcp");
            assert_eq!(resources.accepts(&ours, at(authority), "/mcp"), is_ours, "{name}");
        }
    }
}
