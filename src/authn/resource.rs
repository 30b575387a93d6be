//! What the gateway is to OAuth clients: a protected resource at each of its endpoints (RFC 8707,
//! RFC 9728).

use url::Url;

/// What a client connected to, as far as the request tells: scheme, and host with port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `host[:port]`.
    pub authority: &'a str,
}

/// The gateway's resource identifiers.
#[derive(Clone, Debug)]
pub struct Resources {
    public: Option<Url>,
}

impl Resources {
    /// Clients reach the gateway under `public`, if it is given.
    pub fn new(public: Option<Url>) -> Self {
        Self { public }
    }

    /// Where the metadata of the endpoint at `path` is; there is none without authorization servers.
    pub fn metadata_url(&self, _origin: Origin<'_>, _path: &str) -> Option<String> {
        None
    }

    /// The identifier of the endpoint at `path`: its URL as the client knows it.
    pub fn identifier(&self, origin: Origin<'_>, path: &str) -> String {
        match &self.public {
            Some(public) => format!("{}{path}", public.as_str().trim_end_matches('/')),
            None => format!("{}://{}{path}", origin.scheme, origin.authority),
        }
    }
}
