//! Finds out where a call goes, from one snapshot of the catalogue.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tower::{Layer, Service};

use super::Routed;
use crate::call::{Call, Error, Reply};
use crate::catalogue::{Catalogue, Entry, Kind, Route, View};
use crate::mcp::Method;
use crate::mcp::params::{InvalidParams, Reference, Text};

/// Puts [`Resolve`] in front of a service.
#[derive(Clone)]
pub struct ResolveLayer(Arc<Catalogue>);

impl ResolveLayer {
    /// A layer that looks names up in `catalogue`.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self(catalogue)
    }
}

impl<S> Layer<S> for ResolveLayer {
    type Service = Resolve<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Resolve { catalogue: Arc::clone(&self.0), inner }
    }
}

/// Turns a call into a routed one, or says that it names nothing.
#[derive(Clone)]
pub struct Resolve<S> {
    catalogue: Arc<Catalogue>,
    inner: S,
}

impl<S> Resolve<S> {
    fn route(&self, call: &Call) -> Result<Route, Error> {
        let params = call.request.params();
        let (catalogue, endpoint) = (&self.catalogue, &call.endpoint);
        let view = View::of(&call.client);
        let route = match call.request.method() {
            Method::ListTools => Route::List(Kind::Tool),
            Method::ListPrompts => Route::List(Kind::Prompt),
            Method::ListResources => Route::List(Kind::Resource),
            Method::ListResourceTemplates => Route::List(Kind::ResourceTemplate),
            Method::CallTool => {
                let name = required(params.name.as_ref(), "name")?;
                let tool = catalogue.resolve_tool(endpoint, name, &view);
                self.found(call, tool, Kind::Tool, name)?
            }
            Method::GetPrompt => {
                let name = required(params.name.as_ref(), "name")?;
                let prompt = catalogue.resolve_prompt(endpoint, name, &view);
                self.found(call, prompt, Kind::Prompt, name)?
            }
            Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
                let uri = required(params.uri.as_ref(), "uri")?;
                let resource = catalogue.resolve_resource(endpoint, uri, &view);
                self.found(call, resource, Kind::Resource, uri)?
            }
            Method::Complete => self.completed(call, &view)?,
            Method::Initialize
            | Method::Ping
            | Method::SetLevel
            | Method::CreateMessage
            | Method::Elicit
            | Method::ListRoots
            | Method::Other => {
                let backend = catalogue.backend(endpoint);
                Route::Backend(backend.ok_or_else(|| unknown_method(call))?)
            }
        };
        Ok(route)
    }

    /// The entry's backend; at a backend's own endpoint it hears also of what it did not list, and
    /// answers in its own words.
    fn found(
        &self,
        call: &Call,
        entry: Option<Arc<Entry>>,
        kind: Kind,
        key: &str,
    ) -> Result<Route, Error> {
        if let Some(entry) = entry {
            return Ok(Route::Entry(entry));
        }
        let unlisted = self.catalogue.backend(&call.endpoint);
        unlisted
            .map(Route::Backend)
            .ok_or_else(|| self.catalogue.missing(&call.endpoint, kind, key))
    }

    /// Where an argument is completed: whoever has the prompt or the template.
    fn completed(&self, call: &Call, view: &View) -> Result<Route, Error> {
        let (catalogue, endpoint) = (&self.catalogue, &call.endpoint);
        let (entry, kind, key) = match &call.request.params().reference {
            Some(Reference::Prompt(Text { value, .. })) => {
                (catalogue.resolve_prompt(endpoint, value, view), Kind::Prompt, value)
            }
            Some(Reference::Resource(Text { value, .. })) => {
                let template = catalogue.resolve_template(endpoint, value, view);
                (template, Kind::ResourceTemplate, value)
            }
            None => return Err(InvalidParams("\"ref\" is missing".to_owned()).into()),
        };
        self.found(call, entry, kind, key)
    }
}

fn required<'a>(text: Option<&'a Text>, field: &str) -> Result<&'a str, Error> {
    let text = text.ok_or_else(|| InvalidParams(format!("\"{field}\" is missing")))?;
    Ok(&text.value)
}

fn unknown_method(call: &Call) -> Error {
    Error::UnknownMethod(call.request.message().method_name().into())
}

impl<S> Service<Call> for Resolve<S>
where
    S: Service<Routed, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = Either<Ready<Result<Reply, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        match self.route(&call) {
            Ok(route) => {
                note(&call, &route);
                Either::Right(self.inner.call(Routed { call, route }))
            }
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

/// Tells the record what was named.
fn note(call: &Call, route: &Route) {
    let (name, backend) = match route {
        Route::Entry(entry) => (Some(&entry.exposed), entry.backend.name()),
        Route::Backend(backend) => (None, backend.name()),
        Route::List(_) => return,
    };
    let _ = call.notes.backend.set(Arc::clone(backend));
    // A resource's name is a URI, of which there are too many.
    if let (Some(name), Method::CallTool | Method::GetPrompt) = (name, call.request.method()) {
        let _ = call.notes.name.set(Arc::clone(name));
    }
}
