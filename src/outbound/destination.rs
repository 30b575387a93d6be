//! Where requests go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use url::Url;

use super::{Error, Reach};

/// What makes a destination: two specs that are equal share their connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Its URL; only scheme, host and port matter.
    pub url: Url,
    /// HTTP/2: by ALPN for `https`, with prior knowledge for `http`.
    pub http2: bool,
    /// Who is trusted, and who we are.
    pub tls: Tls,
    /// How long resolving, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// Which addresses its host may have.
    pub reach: Reach,
}

/// Who is trusted, and who we are, beyond what holds for all destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// PEM file of CA certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate chain and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name the certificate must be for, instead of the URL's host.
    pub server_name: Option<String>,
}

/// A server that requests are sent to; made once, by [`Client::destination`].
///
/// [`Client::destination`]: super::Client::destination
pub struct Destination {
    pub(super) id: u64,
    /// The host to dial: an IPv6 address stands without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) host_header: HeaderValue,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(super) http2: bool,
    pub(super) connect_timeout: Duration,
    pub(super) reach: Reach,
}

impl Destination {
    pub(super) fn new(
        spec: &Spec,
        id: u64,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, Error> {
        let invalid = || Error::Url { url: spec.url.to_string() };
        let host = spec.url.host().ok_or_else(invalid)?;
        let port = spec.url.port_or_known_default().ok_or_else(invalid)?;
        let authority = match spec.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(), // the scheme's own port stands in no Host header
        };
        let dialled = host.to_string();
        let dialled = dialled.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = spec.tls.server_name.clone().unwrap_or_else(|| dialled.clone());
                let server_name = ServerName::try_from(name).map_err(|error| Error::Tls {
                    authority: authority.clone(),
                    reason: error.to_string(),
                })?;
                Some((TlsConnector::from(config), server_name))
            }
        };
        Ok(Self {
            id,
            host: dialled,
            port,
            scheme: if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
            host_header: HeaderValue::from_str(&authority).map_err(|_| invalid())?,
            authority: authority.parse().map_err(|_| invalid())?,
            tls,
            http2: spec.http2,
            connect_timeout: spec.connect_timeout,
            reach: spec.reach,
        })
    }

    /// Host and port, as errors name them.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The value of the `Host` header.
    pub fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    /// The absolute form of a request's path and query, as HTTP/2 wants it.
    pub(super) fn absolute(&self, path: &Uri) -> Uri {
        let mut parts = path.clone().into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts).expect("scheme, authority and path make a URI")
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({}://{})", self.scheme, self.authority)
    }
}
