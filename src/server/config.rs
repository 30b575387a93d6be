//! `aggregator` and `http` of `config.yaml`.

use std::time::Duration;

use serde_json::{Value as Json, json};
use url::Url;

use super::Tls;
use crate::catalogue::Exposure;
use crate::config::{Fields, Host, Section, Shown, Value, write_duration};

/// `aggregator`: where clients find the gateway and how its names begin.
#[derive(Clone, Debug)]
pub struct Aggregator {
    /// The port of the MCP listener; 0 takes any free one.
    pub port: u16,
    /// The host of the MCP listener.
    pub host: Host,
    /// How clients speak to it.
    pub transport: Transport,
    /// What every exposed name begins with.
    pub muster_prefix: String,
    /// What `/mcp` lists.
    pub exposure: Exposure,
    /// The URL under which clients reach the gateway, where it differs from the listener's.
    pub public_url: Option<Url>,
    /// What the MCP listener is secured with.
    pub tls: Tls,
}

/// `aggregator.transport`: the ways in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, and HTTP+SSE for clients of MCP 2024-11-05.
    #[default]
    StreamableHttp,
    /// HTTP+SSE alone.
    Sse,
    /// Standard input and output; nothing listens.
    Stdio,
}

impl Transport {
    const WORDS: [(&str, Self); 3] =
        [("streamable-http", Self::StreamableHttp), ("sse", Self::Sse), ("stdio", Self::Stdio)];

    /// The value of the key.
    fn word(self) -> &'static str {
        let (word, _) = Self::WORDS[self as usize];
        word
    }

    /// Where a client connects, below the listener; `None` if nothing listens.
    pub const fn path(self) -> Option<&'static str> {
        match self {
            Self::StreamableHttp => Some("/mcp"),
            Self::Sse => Some("/sse"),
            Self::Stdio => None,
        }
    }
}

impl Default for Aggregator {
    fn default() -> Self {
        Self {
            port: 8090,
            host: Host::Localhost,
            transport: Transport::default(),
            muster_prefix: "x".to_owned(),
            exposure: Exposure::default(),
            public_url: None,
            tls: Tls::default(),
        }
    }
}

impl Section for Aggregator {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("port", &mut self.port);
        fields.set("host", &mut self.host);
        fields.choose("transport", &mut self.transport, &Transport::WORDS, &[]);
        if let Some(prefix) = fields.get_with("musterPrefix", muster_prefix) {
            // An empty one means the default, as it does in muster.
            self.muster_prefix = prefix.unwrap_or_else(|| Self::default().muster_prefix);
        }
        fields.choose("exposure", &mut self.exposure, &Exposure::NAMES, &[]);
        if let Some(url) = fields.get_with("publicUrl", public_url) {
            self.public_url = url;
        }
        fields.section("tls", &mut self.tls);
        // muster's own set-ups write `enabled`, and nothing has ever read it.
        fields.accept(&["enabled"]);
        fields.later_when_enabled("admin", &["port", "bindAddress"]);
        fields.within("oauth", |oauth| {
            oauth.later_when_enabled("mcpClient", MCP_CLIENT_KEYS);
            oauth.later_with_advice("server", OAUTH_SERVER_KEYS, OAUTH_SERVER_ADVICE);
        });
    }
}

impl Shown for Aggregator {
    fn shown(&self) -> Json {
        let Self { port, host, transport, muster_prefix, exposure, public_url, tls } = self;
        json!({
            "host": host.to_string(),
            "port": port,
            "transport": transport.word(),
            "musterPrefix": muster_prefix,
            "exposure": exposure.name(),
            "publicUrl": public_url.as_ref().map_or("", Url::as_str),
            "tls": tls.shown(),
        })
    }
}

const MCP_CLIENT_KEYS: &[&str] =
    &["publicUrl", "clientId", "callbackPath", "cimd", "postLoginRedirectAllowlist"];

/// What checks tokens today, behind "is not supported yet".
pub const OAUTH_SERVER_ADVICE: &str = "; auth.mode: oauth with auth.issuers checks tokens of other \
                                       authorization servers, as its trustedIssuers do";

const OAUTH_SERVER_KEYS: &[&str] = &[
    "baseUrl",
    "provider",
    "dex",
    "google",
    "storage",
    "sessionDuration",
    "registrationToken",
    "registrationTokenFile",
    "allowPublicClientRegistration",
    "trustedPublicRegistrationSchemes",
    "trustedPublicRegistrationRedirectURIs",
    "enableCIMD",
    "allowLocalhostRedirectURIs",
    "encryptionKey",
    "encryptionKeyFile",
    "allowedOrigins",
    "trustedAudiences",
    "trustedIssuers",
    "trustedProxyCIDRs",
    "resourceIdentifier",
    "tokenExchangeBroker",
];

fn muster_prefix(text: &str) -> Result<Option<String>, String> {
    let name = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 32
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match text {
        "" => Ok(None),
        _ if name => Ok(Some(text.to_owned())),
        _ => Err("is not a prefix; use a letter, then letters, digits, - and _, 32 at most".into()),
    }
}

fn public_url(text: &str) -> Result<Option<Url>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::read(text)?;
    match url.query() {
        None => Ok(Some(url)),
        Some(_) => Err("has a query, which a public URL cannot have".to_owned()),
    }
}

/// `http`: bounds of the MCP listener.
#[derive(Clone, Debug)]
pub struct Http {
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Requests without a response head at one time.
    pub max_in_flight: usize,
    /// Response streams open at one time.
    pub max_streams: usize,
    /// Values of `Host` that pass besides the listener's own, `host[:port]` in lower case.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that pass besides loopback's, `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// How long calls may go on after the gateway was told to stop.
    pub drain: Duration,
    /// How often a silent stream says that it is alive.
    pub keep_alive: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_body_bytes: 4 << 20,
            max_in_flight: 4096,
            max_streams: 20_000,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            drain: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
        }
    }
}

impl Section for Http {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set_within("maxBodyBytes", &mut self.max_body_bytes, 1024..=1 << 30);
        fields.set_within("maxInFlight", &mut self.max_in_flight, 1..=1_000_000);
        fields.set_within("maxStreams", &mut self.max_streams, 1..=1_000_000);
        fields.set_list("allowedHosts", &mut self.allowed_hosts, allowed_host);
        fields.set_list("allowedOrigins", &mut self.allowed_origins, allowed_origin);
        fields.set("drain", &mut self.drain);
        fields.set_checked("keepAlive", &mut self.keep_alive, |every| {
            let fault = "is shorter than a second; every stream would be busy with comments";
            if *every < Duration::from_secs(1) { Err(fault.to_owned()) } else { Ok(()) }
        });
    }
}

impl Shown for Http {
    fn shown(&self) -> Json {
        json!({
            "maxBodyBytes": self.max_body_bytes,
            "maxInFlight": self.max_in_flight,
            "maxStreams": self.max_streams,
            "allowedHosts": self.allowed_hosts,
            "allowedOrigins": self.allowed_origins,
            "drain": write_duration(self.drain),
            "keepAlive": write_duration(self.keep_alive),
        })
    }
}

/// `host[:port]` as it stands in a request; an IPv6 address has brackets there.
fn allowed_host(text: &str) -> Result<String, String> {
    let fault = "is not a host; use a name or address, and :port if it must match";
    if let Some(host) = Host::parse(text) {
        return Ok(host.to_string().to_ascii_lowercase());
    }
    let (host, port) = text.rsplit_once(':').ok_or(fault)?;
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    match (Host::parse(host), u16::read(port)) {
        (Some(host), Ok(1..)) if !bare_ipv6 => Ok(format!("{host}:{port}").to_ascii_lowercase()),
        _ => Err(fault.to_owned()),
    }
}

fn allowed_origin(text: &str) -> Result<String, String> {
    let fault = "is not an origin; use scheme://host[:port] without a path";
    let (scheme, host) = text.split_once("://").ok_or(fault)?;
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let plain = !host.is_empty()
        && !host.contains(['/', '?', '#', '@', '*', '\\'])
        && host.chars().all(|c| c.is_ascii_graphic() && !c.is_ascii_uppercase());
    if scheme.is_empty() || !scheme.chars().all(word) || !plain {
        return Err(fault.to_owned());
    }
    // Browsers leave the default port out, so an origin that has it would never match.
    match (scheme, host.rsplit_once(':')) {
        ("http", Some((_, "80"))) | ("https", Some((_, "443"))) => {
            Err("has the scheme's default port, which browsers leave out; remove it".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_an_optional_port_and_no_scheme() {
        for text in ["example.com", "Example.com:8090", "10.0.0.1:80", "[::1]:8090", "[::1]"] {
            assert_eq!(allowed_host(text), Ok(text.to_ascii_lowercase()));
        }
        assert_eq!(allowed_host("::1"), Ok("[::1]".to_owned()));
        for text in ["", "http://x", "x:", "x:y", "x:0", "*", "*.example.com", "a b"] {
            assert!(allowed_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_what_a_browser_sends() {
        for text in ["https://example.com", "http://localhost:5173", "vscode-webview://abc"] {
            assert_eq!(allowed_origin(text), Ok(text.to_owned()));
        }
        for text in
            ["", "*", "null", "example.com", "https://x/", "https://x:443", "https://*.x", "://x"]
        {
            assert!(allowed_origin(text).is_err(), "{text}");
        }
    }
}
