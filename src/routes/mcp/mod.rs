//! The Streamable HTTP endpoints: `/mcp`, and `/servers/{name}/mcp` for each backend.

mod accept;
mod decode;
mod delete;
mod initialize;
mod listen;
mod notifications;
mod post;
mod request;
mod session;
mod stream;

pub(super) use accept::{json as accept_json, listen as accept_stream, protocol_version};
pub(super) use decode::{Inbound, decode};
pub(super) use listen::RETRY;
pub(super) use notifications::dropped;
pub(super) use post::accepted;
pub(super) use request::{Begun, Caller};

use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::health::Details;
use super::sse::Sse;
use super::{Answer, Path};
use crate::authn::{Authenticator, Refusal, challenge};
use crate::call::{self, Call, Endpoint, Principal, Reply};
use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::layers::http::body_limit::Limited;
use crate::layers::http::connected;
use crate::layers::http::rate_limit::RateLimitLayer;
use crate::layers::http::streams::Streams;
use crate::mcp::{RequestId, header as mcp_header};
use crate::outbound::Timers;
use crate::policy::Gate;
use crate::server::{Body, BoxError};
use crate::sessions::{Keeper, Sessions, Working};
use crate::supervise::Registry;

/// What all workers share.
pub struct Shared {
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// The backends.
    pub registry: Arc<Registry>,
    /// What they offer.
    pub catalogue: Arc<Catalogue>,
    /// Who may use it.
    pub gate: Arc<Gate>,
    /// Tells clients what they need to get in.
    pub authenticator: Arc<Authenticator>,
    /// How the gateway is.
    pub details: Details,
    /// Charges for what a batch has more than one message.
    pub rate_limit: RateLimitLayer,
    /// A quiet stream gets a comment this often; a call without an answer becomes a stream then.
    pub keep_alive: Duration,
    /// How long a stream may outlive the proof of who reads it.
    pub stream_grace: Duration,
    /// The streams that are open.
    pub streams: Streams,
    /// Those of HTTP+SSE.
    pub sse: Sse,
    /// Whether the Streamable HTTP endpoints are served.
    pub is_streamable: bool,
}

/// The end, as one worker sees it: tokens of its own, so that no lock is shared between workers.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Nothing new is taken; GET streams end.
    pub draining: CancellationToken,
    /// What is still under way gets an error as its last word.
    pub stopping: CancellationToken,
}

/// A worker's call stack, as the routes see it.
pub trait Stack: Send + Sync + 'static {
    /// Begins a call. The future is boxed: it may outlive the connection it was made on.
    fn begin(&self, call: Call) -> Working;
}

/// Nobody waits for the lock, which one thread uses. To clone the stack for each call instead would
/// write to counters that all workers share.
impl<S> Stack for Mutex<S>
where
    S: Service<Call, Response = Reply, Error = call::Error> + Send + 'static,
    S::Future: Send + 'static,
{
    fn begin(&self, call: Call) -> Working {
        let working = self.lock().call(call); // call layers are always ready
        Box::pin(working)
    }
}

/// One worker's MCP endpoints; a clone for each request costs next to nothing.
pub struct Mcp<S>(Arc<Worker<S>>);

/// What the requests of one worker have in common.
pub struct Worker<S> {
    pub(super) shared: Arc<Shared>,
    stack: S,
    pub(super) keeper: Keeper,
    pub(super) ending: Ending,
    timers: Timers,
}

impl<S> Clone for Mcp<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for Mcp<S> {
    type Target = Worker<S>;

    fn deref(&self) -> &Worker<S> {
        &self.0
    }
}

impl<S: Stack> Mcp<S> {
    /// The endpoints of one worker over its call stack.
    pub fn new(shared: Arc<Shared>, stack: S, keeper: Keeper, ending: Ending) -> Self {
        Self(Arc::new(Worker { shared, stack, keeper, ending, timers: Timers::default() }))
    }

    async fn handle(
        &self,
        request: &Request<Bytes>,
        endpoint: Endpoint,
    ) -> Result<Response<Body>, Error> {
        match *request.method() {
            Method::POST => self.post(request, endpoint).await,
            Method::GET => self.listen(request, endpoint),
            Method::DELETE => self.delete(request),
            _ => Err(Error::Method("GET, POST, DELETE")),
        }
    }

    /// The answer to a request that fails. A client that needs more scopes is told where to get them.
    pub(super) fn refusal<B>(
        &self,
        request: &Request<B>,
        error: &Error,
        id: Option<&RequestId>,
    ) -> Response<Body> {
        let mut response = failure(error, id);
        if let Error::Call(call::Error::Scope { required }) = error {
            let authenticator = &self.shared.authenticator;
            let (origin, path) = (connected::origin(request), request.uri().path());
            let metadata = authenticator.resources().metadata_url(origin, path);
            let refusal = Refusal::Scope { required: Arc::clone(required) };
            let challenge = challenge(&refusal, metadata.as_deref(), authenticator.required());
            let challenge = challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
            response.headers_mut().extend(challenge);
        }
        response
    }
}

impl<S: Stack, B> Service<Request<Limited<B>>> for Mcp<S>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Limited<B>>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let path = Path::parse(request.uri().path());
            let (is_sse, is_message) = (path == Path::Sse, path == Path::Message);
            let is_ready = path == Path::Ready;
            let endpoint = path.endpoint().filter(|_| this.shared.is_streamable);
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, body.collect().await?);
            match endpoint {
                Some(endpoint) => this.handle(&request, endpoint).await,
                None if is_sse => this.sse(&request),
                None if is_message => this.message(request).await,
                None if is_ready => this.ready(&request),
                None => Err(Error::NotFound),
            }
        })
    }
}

/// Who the edge stack found to be asking.
pub(super) fn principal<B>(request: &Request<B>) -> Arc<Principal> {
    request.extensions().get::<Arc<Principal>>().cloned().expect("authentication came before")
}

/// A JSON response.
fn json(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static(mcp_header::JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An error as the response to the request with that id.
pub(super) fn failure(error: &Error, id: Option<&RequestId>) -> Response<Body> {
    let mut response = json(error.to_json_rpc(id));
    *response.status_mut() = error.status();
    response.headers_mut().extend(error.headers());
    response
}
