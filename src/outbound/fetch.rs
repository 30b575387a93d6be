//! Documents whose address somebody else may have named: bounded in time and size, and never from
//! where the gateway alone could get at them (OWASP, "Server-Side Request Forgery").

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use parking_lot::Mutex;
use tokio::time;
use url::{Host, Url};

use super::error::chain;
use super::{AddressKind, Body, BodyError, Client, Destination, Error, Head, Reach, Spec, Tls};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const US: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));

/// Which hosts may be at an address of a private network, or of this machine.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// All.
    pub allow_private: bool,
    /// These, without regard to case; an IPv6 address with or without brackets.
    pub private_hosts: Vec<Box<str>>,
}

/// How long an exchange and how large its answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the first look-up to the last byte, all redirects included.
    pub deadline: Duration,
    /// In bytes.
    pub body: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), body: 1 << 20 }
    }
}

/// Gets documents by guarded requests.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
    guard: Guard,
    bounds: Bounds,
    /// Kept, so that its idle connections are found again.
    last: Mutex<Option<Arc<Destination>>>,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL, or one that it redirects to, is not encrypted.
    #[error(
        "{url} is not encrypted; only https:// is asked, and http:// on this machine if that is allowed"
    )]
    NotEncrypted {
        /// The URL.
        url: Url,
    },
    /// The URL, or one that it redirects to, has a user name or password.
    #[error("the URL holds credentials")]
    Credentials,
    /// No connection, or no answer.
    #[error(transparent)]
    Send(#[from] Error),
    /// The answer ended too early, or is too large.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The answer is not 200.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The answer redirects to nowhere, or a form somewhere else.
    #[error("the answer is a redirect ({0}) that cannot be followed")]
    Redirect(StatusCode),
    /// There are too many redirects, most likely in a circle.
    #[error("there are more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects,
    /// It took too long.
    #[error("there is no complete answer within {} s", .0.as_secs_f64())]
    Deadline(Duration),
}

impl FetchError {
    /// What failed and why, down to the first cause, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Whether the host would be asked if it were allowed to be at a private address.
    pub fn is_for_being_private(&self) -> bool {
        let private = |kind: &AddressKind| Reach::PrivateToo.allows(*kind);
        match self {
            Self::Send(Error::OutOfReach { kind, .. }) => private(kind),
            Self::NotEncrypted { url } => is_this_machine(url),
            _ => false,
        }
    }

    /// Whether the host has given an answer, of whatever kind.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Redirect(_) | Self::Body(BodyError::TooLarge { .. }))
    }
}

impl Guard {
    /// Which addresses the host of `url` may have.
    fn reach(&self, url: &Url) -> Result<Reach, FetchError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Credentials);
        }
        let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
        let host = bare(url.host_str().unwrap_or_default());
        let is_private = self.allow_private || self.private_hosts.iter().any(|it| bare(it) == host);
        match (url.scheme(), is_private) {
            ("https", true) => Ok(Reach::PrivateToo),
            ("https", false) => Ok(Reach::Internet),
            ("http", true) if is_this_machine(url) => Ok(Reach::Loopback),
            _ => Err(FetchError::NotEncrypted { url: url.clone() }),
        }
    }
}

impl Fetcher {
    /// A fetcher that sends with `client`, to hosts that `guard` does not keep it from.
    pub fn new(client: Client, guard: Guard, bounds: Bounds) -> Self {
        Self { client, guard, bounds, last: Mutex::default() }
    }

    /// The document at `url`.
    ///
    /// # Errors
    /// When it may not be asked for, or does not come in time, in size and with status 200.
    pub async fn get(&self, url: &Url) -> Result<Bytes, FetchError> {
        self.in_time(self.follow(url)).await
    }

    /// What `url` answers to a form. It gets our `authorization` there, so that no redirect is
    /// followed.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn post_form(
        &self,
        url: &Url,
        form: impl Into<Bytes>,
        authorization: HeaderValue,
    ) -> Result<Bytes, FetchError> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, FORM), (AUTHORIZATION, authorization)]);
        let sending = self.send(url, Method::POST, headers, form.into());
        self.in_time(async { self.document(sending.await?).await }).await
    }

    async fn in_time(
        &self,
        exchange: impl Future<Output = Result<Bytes, FetchError>>,
    ) -> Result<Bytes, FetchError> {
        let deadline = self.bounds.deadline;
        // Boxed: it holds a connection in the making, and is rare.
        let exchange = time::timeout(deadline, Box::pin(exchange)).await;
        exchange.map_err(|_| FetchError::Deadline(deadline))?
    }

    async fn follow(&self, url: &Url) -> Result<Bytes, FetchError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, Method::GET, HeaderMap::new(), Bytes::new()).await?;
            if !response.status().is_redirection() {
                return self.document(response).await;
            }
            let to = target(&url, &response);
            let to = to.ok_or(FetchError::Redirect(response.status()))?;
            if url.scheme() == "https" && to.scheme() == "http" {
                return Err(FetchError::NotEncrypted { url: to });
            }
            url = to;
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn send(
        &self,
        url: &Url,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, FetchError> {
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()).parse(),
            None => url.path().parse(),
        };
        let path: Uri = path.map_err(|_| Error::Url { url: url.to_string() })?;
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, US);
        let spec = Spec {
            url: url.join("/").map_err(|_| Error::Url { url: url.to_string() })?,
            http2: false,
            tls: Tls::default(),
            connect_timeout: self.bounds.deadline,
            reach: self.guard.reach(url)?,
        };
        let destination = self.client.destination(spec).await?;
        *self.last.lock() = Some(Arc::clone(&destination));
        Ok(self.client.send(&destination, &Head::new(method, &path, headers), body).await?)
    }

    async fn document(&self, response: Response<Body>) -> Result<Bytes, FetchError> {
        match response.status() {
            StatusCode::OK => Ok(response.into_body().collect(self.bounds.body).await?),
            status if status.is_redirection() => Err(FetchError::Redirect(status)),
            status => Err(FetchError::Status(status)),
        }
    }
}

fn target(from: &Url, response: &Response<Body>) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let to = from.join(location).ok()?;
    to.has_host().then_some(to)
}

/// Whether the host of `url` is called what a machine calls itself: `localhost`, a loopback address.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
