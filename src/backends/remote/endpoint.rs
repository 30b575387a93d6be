//! Where requests go, and what every one of them carries.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use url::Url;

use crate::backends::{Config, OpenError, Remote};
use crate::call;
use crate::mcp::header;
use crate::outbound::{Body, Client, Destination, Error, Head, Reach, Spec, Tls};

/// How much of a body that nobody reads is read, so that its connection can be used again.
const UNREAD: usize = 64 << 10;

/// An endpoint of a backend.
#[derive(Clone, Debug)]
pub(in crate::backends) struct Endpoint {
    pub(in crate::backends) config: Arc<Config>,
    pub(in crate::backends) destination: Arc<Destination>,
    path: Uri,
    /// What every request carries: the configured headers, and who we are.
    pub(in crate::backends) common: HeaderMap,
    /// For whatever is sent in the background.
    pub(in crate::backends) client: Client,
}

/// What a response's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends) enum Media {
    Json,
    EventStream,
    /// It does not say.
    Unknown,
    Other,
}

impl Endpoint {
    /// The endpoint that the configuration names.
    ///
    /// # Errors
    /// When the URL or the TLS files are of no use.
    pub(in crate::backends) async fn new(
        config: &Arc<Config>,
        remote: &Remote,
        client: &Client,
    ) -> Result<Self, OpenError> {
        Self::make(config, remote, client).await.map_err(|error| OpenError::Connect {
            authority: origin(remote).authority().to_owned(),
            reason: reason(&error),
        })
    }

    async fn make(config: &Arc<Config>, remote: &Remote, client: &Client) -> Result<Self, Error> {
        let spec = Spec {
            url: origin(remote),
            http2: remote.http2,
            tls: tls(remote),
            connect_timeout: config.connect_timeout,
            reach: Reach::Anywhere,
        };
        let path = path_of(&remote.url).map_err(|_| Error::Url { url: spec.url.to_string() })?;
        let mut common = HeaderMap::new();
        let us = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        common.insert(USER_AGENT, us);
        for (name, value) in &remote.headers {
            if Head::FRAMING.contains(name) {
                tracing::warn!(backend = %config.name, %name, "this header is ours to set; ignored");
            } else {
                common.insert(name, value.clone());
            }
        }
        let destination = client.destination(spec).await?;
        // The client would add it, to each request anew.
        common.entry(HOST).or_insert_with(|| destination.host_header().clone());
        let (config, client) = (Arc::clone(config), client.clone());
        Ok(Self { config, destination, path, common, client })
    }

    /// Another endpoint of the same server.
    pub(in crate::backends) fn at(&self, path: Uri) -> Self {
        Self { path, ..self.clone() }
    }

    /// The head of a request to it: make it once for all requests that have the same.
    pub(in crate::backends) fn head(&self, method: Method, headers: HeaderMap) -> Head {
        Head::new(method, &self.path, headers)
    }

    pub(in crate::backends) async fn send(
        &self,
        client: &Client,
        head: &Head,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        client.send(&self.destination, head, body).await
    }

    /// A failure to send, as whoever opens the connection is told.
    pub(in crate::backends) fn unreachable(&self, error: &Error) -> OpenError {
        OpenError::Connect {
            authority: self.destination.authority().to_owned(),
            reason: reason(error),
        }
    }

    /// A failure to send, as the caller is told.
    pub(in crate::backends) fn failed(&self, error: &Error) -> call::Error {
        let (backend, detail) = (self.name(), error.chain().into());
        if error.may_have_been_processed() {
            call::Error::ConnectionLost { backend, detail }
        } else {
            call::Error::Connect { backend, detail }
        }
    }

    pub(in crate::backends) fn bad_answer(&self, detail: impl Into<Arc<str>>) -> call::Error {
        call::Error::BadAnswer { backend: self.name(), detail: detail.into() }
    }

    pub(in crate::backends) fn lost(&self, detail: impl Into<Arc<str>>) -> call::Error {
        call::Error::ConnectionLost { backend: self.name(), detail: detail.into() }
    }

    pub(in crate::backends) fn name(&self) -> Arc<str> {
        Arc::clone(&self.config.name)
    }
}

/// What the body is said to be.
pub(in crate::backends) fn media(headers: &HeaderMap) -> Media {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Media::Unknown };
    let value = value.as_bytes();
    if value == header::JSON.as_bytes() {
        return Media::Json; // as nearly everybody writes it
    }
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(header::JSON.as_bytes()) {
        Media::Json
    } else if essence.eq_ignore_ascii_case(header::EVENT_STREAM.as_bytes()) {
        Media::EventStream
    } else {
        Media::Other
    }
}

/// Takes note that there is nothing to read in a response.
pub(in crate::backends) async fn pass_over(response: Response<Body>) {
    if media(response.headers()) != Media::EventStream {
        let _ = response.into_body().collect(UNREAD).await;
    }
}

/// What failed, without the authority: whoever shows it names it already.
fn reason(error: &Error) -> String {
    match error {
        Error::Connect { source, .. } => source.to_string(),
        other => other.chain(),
    }
}

/// Path and query, as a request names them.
pub(in crate::backends) fn path_of(url: &Url) -> Result<Uri, InvalidUri> {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()).parse(),
        None => url.path().parse(),
    }
}

/// The URL without what does not matter to a connection (backends on one host share theirs), nor
/// belongs into an error message.
fn origin(remote: &Remote) -> Url {
    let mut url = remote.url.clone();
    // Fails for URLs without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn tls(remote: &Remote) -> Tls {
    let tls = &remote.tls;
    let identity = tls.cert_file.clone().zip(tls.key_file.clone());
    Tls { ca_file: tls.ca_file.clone(), identity, server_name: tls.server_name.clone() }
}
