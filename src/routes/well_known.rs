//! `/.well-known/oauth-protected-resource`: who gives tokens for an endpoint (RFC 9728).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};

use super::Path;
use crate::authn::{Mode, Resources};
use crate::error::Error;
use crate::layers::http::connected::origin;
use crate::mcp::header::JSON;
use crate::server::Body;

/// Tells everybody: who asks has no token yet.
#[derive(Clone, Debug)]
pub struct WellKnown {
    resources: Arc<Resources>,
    mode: Mode,
}

impl WellKnown {
    /// What `resources` say, in that mode.
    pub fn new(resources: Arc<Resources>, mode: Mode) -> Self {
        Self { resources, mode }
    }

    /// The metadata that `suffix`, the path behind the well-known one, asks for.
    pub(super) fn response<B>(
        &self,
        request: &Request<B>,
        suffix: &str,
    ) -> Result<Response<Body>, Error> {
        if self.mode != Mode::Oauth {
            return Err(Error::NoMetadata(self.mode.word()));
        }
        let endpoint = self.endpoint(suffix).ok_or(Error::NotFound)?;
        let document = self.resources.document(origin(request), endpoint);
        let document = document.ok_or(Error::NotFound)?;
        let mut response = Response::new(Body::from(Bytes::from(document.to_string())));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        // What headers of the request have a part in must not be kept for others.
        let is_public = self.resources.is_public();
        let caching = if is_public { "public, max-age=300" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        Ok(response)
    }

    /// The path of the endpoint. The path of the public URL stands before it, unless an ingress has
    /// taken it off; alone, as nothing at all, it means the endpoint that clients are told of.
    fn endpoint<'s>(&'s self, suffix: &'s str) -> Option<&'s str> {
        let prefix = self.resources.prefix();
        let below = suffix.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        if let Some(path) = below.filter(|path| is_endpoint(path)) {
            return Some(path);
        }
        match (suffix, below) {
            ("" | "/", _) => Some(self.resources.main()),
            (path, _) if is_endpoint(path) => Some(path),
            (_, Some("" | "/")) => Some(self.resources.main()),
            _ => None,
        }
    }
}

/// Whether clients connect there. Any name of a server will do: what is answered depends on nothing
/// but the name, so that strangers learn here of no server whether there is one.
fn is_endpoint(path: &str) -> bool {
    matches!(Path::parse(path), Path::Mcp | Path::Sse | Path::Server(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_public_url_may_stand_before_the_endpoint() {
        for (public, suffix, endpoint) in [
            ("", "", Some("/mcp")),
            ("", "/", Some("/mcp")),
            ("", "/mcp", Some("/mcp")),
            ("", "/sse", Some("/sse")),
            ("", "/servers/a/mcp", Some("/servers/a/mcp")),
            ("", "/message", None),
            ("", "/health", None),
            ("", "/gw/mcp", None),
            ("", "/servers/a", None),
            ("https://x.example/gw", "", Some("/mcp")),
            ("https://x.example/gw", "/gw", Some("/mcp")),
            ("https://x.example/gw/", "/gw/", Some("/mcp")),
            ("https://x.example/gw", "/gw/mcp", Some("/mcp")),
            ("https://x.example/gw", "/mcp", Some("/mcp")),
            ("https://x.example/gw", "/gw/servers/a/mcp", Some("/servers/a/mcp")),
            ("https://x.example/gw", "/gwmcp", None),
            ("https://x.example/mcp", "/mcp", Some("/mcp")),
            ("https://x.example/mcp", "/mcp/sse", Some("/sse")),
            ("https://x.example/servers/a", "/servers/a/mcp", Some("/mcp")),
        ] {
            let public = Some(public).filter(|it| !it.is_empty()).map(|it| it.parse().unwrap());
            let well_known = WellKnown::new(Arc::new(Resources::new(public.clone())), Mode::Oauth);
            assert_eq!(well_known.endpoint(suffix), endpoint, "{public:?} {suffix}");
        }
    }
}
