//! Messages on their way to the backend, each in a POST of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::backends::OpenError;
use crate::backends::duplex::{About, INITIALIZED, Outgoing, Wire};
use crate::backends::remote::{Endpoint, Refusal, pass_over};
use crate::call::Error;
use crate::mcp::{Message, ProtocolVersion, header};
use crate::outbound::Head;

/// How long a cancellation waits until the POST of its request has been answered: the server should
/// not hear of them the other way round, but one that answers POSTs late has to hear of both.
const IN_ORDER: Duration = Duration::from_secs(1);

/// Sends what is in the outbox.
#[derive(Debug)]
pub(super) struct Poster {
    pub(super) wire: Arc<Wire>,
    endpoint: Endpoint,
    headers: HeaderMap,
    /// What `initialize` begins with.
    first: Head,
    /// What everything behind it begins with.
    versioned: OnceLock<Head>,
}

impl Poster {
    /// `endpoint` is where the stream wants messages.
    pub(super) fn new(endpoint: Endpoint, wire: Arc<Wire>) -> Self {
        let mut headers = endpoint.common.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::JSON));
        let first = endpoint.head(Method::POST, headers.clone());
        Self { wire, endpoint, headers, first, versioned: OnceLock::new() }
    }

    /// Tells the backend that it is initialised, and waits until it has heard it.
    pub(super) async fn say_initialized(&self, version: ProtocolVersion) -> Result<(), OpenError> {
        let mut headers = self.headers.clone();
        if version >= ProtocolVersion::V2025_06_18 {
            // No revision asks for it on this transport; the SDKs' clients send it all the same.
            let version = HeaderValue::from_static(version.as_str());
            headers.insert(header::PROTOCOL_VERSION, version);
        }
        let head = self.versioned.get_or_init(|| self.endpoint.head(Method::POST, headers));
        let sending = self.endpoint.send(&self.endpoint.client, head, INITIALIZED);
        let response = sending.await.map_err(|error| self.endpoint.unreachable(&error))?;
        if !response.status().is_success() {
            let (status, backend) = (response.status().as_u16(), &self.endpoint.config.name);
            tracing::warn!(%backend, status, "the server refused to hear that it is initialised");
        }
        pass_over(response).await;
        Ok(())
    }

    /// Sends messages as they come. Nobody waits for the POST of another: the room in the outbox,
    /// which a message takes up until it has been sent, bounds how many there are.
    pub(super) async fn run(&self) -> Infallible {
        let mut posts = FuturesUnordered::new();
        let mut under_way: HashMap<u64, CancellationToken> = HashMap::new();
        loop {
            tokio::select! {
                outgoing = self.wire.outbox.next() => {
                    let mut sent = None;
                    if let About::Request(id) = outgoing.about {
                        sent = Some(under_way.entry(id).or_default().clone());
                    } else if let About::Cancelled(id) = outgoing.about {
                        sent = under_way.get(&id).cloned();
                    }
                    posts.push(self.send(outgoing, sent));
                }
                Some(about) = posts.next() => {
                    if let About::Request(id) = about {
                        under_way.remove(&id);
                    }
                }
            }
        }
    }

    /// Sends one message. `sent` is cancelled when the request that it is, or takes back, has been
    /// sent.
    async fn send(&self, outgoing: Outgoing, sent: Option<CancellationToken>) -> About {
        let config = &self.endpoint.config;
        match outgoing.about {
            About::Request(id) => {
                let _sent = sent.map(CancellationToken::drop_guard);
                let mut posting = pin!(self.request(id, outgoing.bytes.clone()));
                // Some servers answer a POST when the call is done: it may last as long as that.
                while self.is_running(id) {
                    let Ok(refused) = timeout(config.connect_timeout, &mut posting).await else {
                        continue;
                    };
                    if let Some(end) = refused.filter(|_| self.is_running(id)) {
                        self.wire.end_call(id, end);
                    }
                    break;
                }
            }
            About::Cancelled(_) | About::Nothing => {
                if let Some(sent) = sent {
                    timeout(IN_ORDER, sent.cancelled()).await.ok();
                }
                let posting = self.notify(outgoing.bytes.clone());
                if timeout(config.connect_timeout, posting).await.is_err() {
                    tracing::debug!(backend = %config.name, "a message did not go out in time");
                }
            }
        }
        outgoing.about
    }

    fn is_running(&self, id: u64) -> bool {
        self.wire.queue_of(id).is_some()
    }

    /// Sends a request. Its response comes on the stream, unless the server answers the POST with
    /// an error, which then ends the call.
    async fn request(&self, id: u64, request: Bytes) -> Option<Result<Message, Error>> {
        let endpoint = &self.endpoint;
        match endpoint.send(&endpoint.client, self.head(), request).await {
            Err(error) => Some(Err(endpoint.failed(&error))),
            Ok(response) if response.status().is_success() => {
                pass_over(response).await;
                None
            }
            Ok(response) => {
                let refusal = Refusal::read(response).await;
                // Only what names the request is its response: the transport has no other.
                Some(if refusal.answers_exactly(id) {
                    refusal.into_response(endpoint, id)
                } else {
                    Err(refusal.failure(endpoint))
                })
            }
        }
    }

    /// Sends a notification or a response, as well as it goes.
    async fn notify(&self, message: Bytes) {
        let (endpoint, backend) = (&self.endpoint, &self.endpoint.config.name);
        match endpoint.send(&endpoint.client, self.head(), message).await {
            Err(error) => {
                tracing::debug!(%backend, error = error.chain(), "a message did not go out");
            }
            Ok(response) if response.status().is_success() => pass_over(response).await,
            Ok(response) => {
                let refusal = Refusal::read(response).await;
                let (status, said) = (refusal.status.as_u16(), refusal.text());
                tracing::debug!(%backend, status, said, "a message was refused");
            }
        }
    }

    fn head(&self) -> &Head {
        self.versioned.get().unwrap_or(&self.first)
    }
}
