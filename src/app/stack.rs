//! The two stacks. The only place that orders layers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceBuilder};

use super::config::Config;
use super::recorder::CallRecorder;
use crate::authn::Authenticator;
use crate::catalogue::Catalogue;
use crate::error::{Error, render_call};
use crate::layers::call::dispatch::{self, Dispatch};
use crate::layers::call::policy::PolicyLayer;
use crate::layers::call::record::{RecordLayer, Recorder};
use crate::layers::call::resolve::ResolveLayer;
use crate::layers::call::tool_limits::ToolLimitsLayer;
use crate::layers::http::authenticate::AuthenticateLayer;
use crate::layers::http::body_limit::{BodyLimitLayer, Limits};
use crate::layers::http::client_address::ClientAddressLayer;
use crate::layers::http::cors::CorsLayer;
use crate::layers::http::headers::HeadersLayer;
use crate::layers::http::host::HostLayer;
use crate::layers::http::limit::LimitLayer;
use crate::layers::http::metrics::MetricsLayer;
use crate::layers::http::origin::{OriginLayer, Origins};
use crate::layers::http::request_id::RequestIdLayer;
use crate::layers::http::respond::RespondLayer;
use crate::layers::http::trace::TraceLayer;
use crate::outbound;
use crate::policy::Gate;
use crate::routes::mcp::{Ending, Mcp, Shared, Stack};
use crate::routes::metrics::Operations;
use crate::routes::{self, Groups, Open, Path};
use crate::server::{Body, BoxError};
use crate::sessions::Keeper;

/// A request's body: hyper's, or a test's.
pub(super) trait RequestBody:
    http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static
{
}

impl<B> RequestBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static
{
}

/// A stack that answers every request with such a body.
pub(super) trait Answers<B>:
    Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S, B> Answers<B> for S where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static
{
}

/// The stack of the operators' listener: a stranger's page must not read it through a name that it
/// points at this machine.
pub(super) fn operators<B: RequestBody>(
    operations: Operations,
    is_loopback: bool,
) -> impl Answers<B> {
    ServiceBuilder::new()
        .layer(RespondLayer::new(routes::respond))
        .layer(HostLayer::new(is_loopback, Vec::new()))
        .map_err(|never: Infallible| -> Error { match never {} })
        .service(operations)
}

/// What all workers' stacks are made of.
#[derive(Clone)]
pub(super) struct Parts<R = CallRecorder> {
    pub(super) shared: Arc<Shared>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) gate: Arc<Gate>,
    pub(super) tool_limits: ToolLimitsLayer,
    pub(super) recorder: R,
    pub(super) trust: Arc<outbound::Trust>,
    pub(super) ending: Ending,
    pub(super) open: Open,
    pub(super) edge: Edge,
}

/// The layers that all workers share.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) client_address: ClientAddressLayer,
    pub(super) limit: LimitLayer,
    pub(super) host: HostLayer,
    pub(super) origins: Origins,
    pub(super) authenticate: AuthenticateLayer,
    pub(super) body: Limits,
}

impl Edge {
    /// Under its public URL the gateway is known to everybody it is for.
    pub(super) fn new(
        config: &Config,
        is_loopback: bool,
        authenticator: Arc<Authenticator>,
    ) -> Self {
        let http = &config.http;
        let (mut hosts, mut origins) = (http.allowed_hosts.clone(), http.allowed_origins.clone());
        if let Some(url) = &config.aggregator.public_url {
            origins.push(url.origin().ascii_serialization());
            // Elsewhere an empty list lets all hosts pass, and the URL must not change that.
            if is_loopback || !hosts.is_empty() {
                hosts.extend(url.host_str().map(ToOwned::to_owned));
            }
        }
        Self {
            client_address: ClientAddressLayer::new(config.trusted_proxies.clone()),
            limit: LimitLayer::new(http.max_in_flight),
            host: HostLayer::new(is_loopback, hosts),
            origins: Origins::new(is_loopback, origins),
            authenticate: AuthenticateLayer::new(authenticator, config.failure_limit),
            body: Limits::new(http.max_body_bytes),
        }
    }
}

impl<R: Recorder + Sync> Parts<R> {
    /// One worker's stack; what it does beside requests runs in `tasks`.
    pub(super) fn build<B: RequestBody>(&self, tasks: &TaskTracker) -> impl Answers<B> + use<R, B> {
        self.edge_stack(self.mcp(tasks))
    }

    /// One worker's endpoints over its call stack, without the edge.
    pub(super) fn mcp(&self, tasks: &TaskTracker) -> Mcp<impl Stack + use<R>> {
        let ending = Ending {
            draining: self.ending.draining.child_token(),
            stopping: self.ending.stopping.child_token(),
        };
        let keeper = Keeper::new(tasks.clone(), ending.draining.clone());
        let client = outbound::Client::new(Arc::clone(&self.trust), tasks.clone());
        Mcp::new(Arc::clone(&self.shared), self.call_stack(client), keeper, ending)
    }

    /// `Call -> Reply`, outermost first.
    fn call_stack(&self, client: outbound::Client) -> impl Stack + use<R> {
        let dispatch = Dispatch {
            catalogue: Arc::clone(&self.catalogue),
            sessions: Arc::clone(&self.shared.sessions),
            client,
        };
        let stack = ServiceBuilder::new()
            // Sees every call, also those that name nothing or are denied.
            .layer(RecordLayer::new(self.recorder.clone()))
            // Before anything is decided: what follows sees the real tool.
            .layer(ResolveLayer::new(Arc::clone(&self.catalogue), render_call))
            .layer(PolicyLayer::new(Arc::clone(&self.gate)))
            // Only what may be called counts.
            .layer(self.tool_limits.clone())
            .service(dispatch::service(dispatch));
        Mutex::new(stack)
    }

    /// `http::Request -> http::Response`, outermost first.
    fn edge_stack<S, B>(&self, mcp: Mcp<S>) -> impl Answers<B> + use<R, S, B>
    where
        S: Stack,
        B: RequestBody,
    {
        let edge = self.edge.clone();
        let guarded = ServiceBuilder::new()
            // Sheds before any work is done, or waiting requests pile up.
            .layer(edge.limit)
            .layer(HeadersLayer)
            // A page of a stranger's site must not get as far as being authenticated.
            .layer(HostLayer::clone(&edge.host))
            .layer(OriginLayer::new(edge.origins.clone()))
            .layer(edge.authenticate)
            // As soon as it is known whom to charge, and before a body is read.
            .layer(self.shared.rate_limit.clone())
            // Nobody unknown makes us read a body.
            .layer(BodyLimitLayer::new(edge.body))
            .service(mcp);
        ServiceBuilder::new()
            // Everything below can name the request. Workers do not share its counter.
            .layer(RequestIdLayer::new())
            // Before anything that tells clients apart, in a log or by a limit.
            .layer(edge.client_address)
            .layer(TraceLayer::new(Path::group))
            // Sees every response, refusals too.
            .layer(MetricsLayer::new(Path::group))
            // Outside of `respond`, or a browser could not read a refusal.
            .layer(CorsLayer::new(edge.origins, Path::is_public))
            .layer(RespondLayer::new(routes::respond))
            .service(Groups { open: self.open.clone(), mcp: guarded })
    }
}
