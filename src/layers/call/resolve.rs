//! Finds out where a call goes, from one snapshot of the catalogue.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::Routed;
use super::envelope::{Envelope, Render};
use super::spelling;
use crate::call::{Call, Error, Reply, Request, ToolResult, Via};
use crate::catalogue::{Catalogue, Entry, Family, Kind, Named, Route, View};
use crate::mcp::member::{Unclear, member};
use crate::mcp::params::{InvalidParams, Reference, Text};
use crate::mcp::splice::splice;
use crate::mcp::{Message, Method, Span};

/// Puts [`Resolve`] in front of a service.
#[derive(Clone)]
pub struct ResolveLayer {
    catalogue: Arc<Catalogue>,
    render: Render,
}

impl ResolveLayer {
    /// A layer that looks names up in `catalogue`; `render` writes the errors that go into the
    /// results of tools.
    pub fn new(catalogue: Arc<Catalogue>, render: Render) -> Self {
        Self { catalogue, render }
    }
}

impl<S> Layer<S> for ResolveLayer {
    type Service = Resolve<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Resolve { catalogue: Arc::clone(&self.catalogue), render: self.render, inner }
    }
}

/// Turns a call into a routed one, or says that it names nothing.
#[derive(Clone)]
pub struct Resolve<S> {
    catalogue: Arc<Catalogue>,
    render: Render,
    inner: S,
}

/// What a call comes to before anything is asked.
enum Resolved {
    /// It goes somewhere.
    Routed(Routed, Option<Envelope>),
    /// It is answered already.
    Answered(Reply),
}

impl<S> Resolve<S> {
    fn resolve(&self, mut call: Call) -> Result<Resolved, Error> {
        let view = self.catalogue.view(&call.client, &call.principal);
        let visibility = view.visibility;
        let route = self.route(&mut call, &view)?;
        let spelling = match &route {
            Route::Entry(entry) => entry.spelling(),
            Route::Backend(_) | Route::List(_) => None,
        };
        let Some(spelling) = spelling else {
            return Ok(Resolved::Routed(Routed { call, route, visibility }, None));
        };
        let id = call.request.id().clone();
        match spelling::meant(spelling, &call.request) {
            Ok(request) => call.request = request,
            Err(text) => return Ok(Resolved::Answered(ToolResult::error(text).reply(&id))),
        }
        call.via = Via::Spelled(spelling);
        let _ = call.notes.method.set(call.request.method());
        let (render, notes) = (self.render, Arc::clone(&call.notes));
        let envelope = Envelope { spelling, id, render, notes };
        match self.route(&mut call, &view).and_then(refuse_meta) {
            Ok(route) => Ok(Resolved::Routed(Routed { call, route, visibility }, Some(envelope))),
            Err(error) => envelope.wrap(Err(error)).map(Reply::message).map(Resolved::Answered),
        }
    }

    fn route(&self, call: &mut Call, view: &View) -> Result<Route, Error> {
        let params = call.request.params();
        let (catalogue, endpoint) = (&self.catalogue, &call.endpoint);
        let route = match call.request.method() {
            Method::ListTools => Route::List(Kind::Tool),
            Method::ListPrompts => Route::List(Kind::Prompt),
            Method::ListResources => Route::List(Kind::Resource),
            Method::ListResourceTemplates => Route::List(Kind::ResourceTemplate),
            Method::CallTool => self.tool(call, view)?,
            Method::GetPrompt => {
                let name = required(params.name.as_ref(), "name")?;
                let prompt = catalogue.resolve_prompt(endpoint, name, view);
                self.found(call, prompt, Kind::Prompt, name, view)?
            }
            Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
                let uri = required(params.uri.as_ref(), "uri")?;
                let resource = catalogue.resolve_resource(endpoint, uri, view);
                self.found(call, resource, Kind::Resource, uri, view)?
            }
            Method::Complete => self.completed(call, view)?,
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

    fn tool(&self, call: &mut Call, view: &View) -> Result<Route, Error> {
        let name = required(call.request.params().name.as_ref(), "name")?;
        match self.catalogue.resolve_tool(&call.endpoint, name, view) {
            Some(Named::Entry(entry)) => Ok(Route::Entry(entry)),
            Some(Named::Family(family)) => self.instance(call, family, view),
            None => self.found(call, None, Kind::Tool, name, view),
        }
    }

    /// The tool of the instance that the arguments name, who do not name it any more then.
    fn instance(&self, call: &mut Call, family: Arc<Family>, view: &View) -> Result<Route, Error> {
        // What the client may know of; another instance may be its own alone.
        let family = match self.catalogue.tool_of(&call.endpoint, &family.exposed, view) {
            Some(Named::Family(own)) => own,
            Some(Named::Entry(_)) | None => family,
        };
        let Some(available) = family.available() else {
            // The client may know of none: policy says why.
            let meant = text_argument(call, &family.name.instance_arg);
            let meant = meant.and_then(|server| family.instance(&server));
            return Ok(Route::Entry(Arc::clone(meant.unwrap_or(family.first()))));
        };
        let (tool, argument) = (&family.exposed, &family.name.instance_arg);
        let message = call.request.message();
        // Some clients write `null` where there are none.
        let span = call.request.params().arguments.filter(|span| message.bytes(*span) != b"null");
        let given = span.map_or(&b"{}"[..], |span| message.bytes(span));
        let found = member(given, argument).map_err(|unclear| {
            let what = match unclear {
                Unclear::NotAnObject => "\"arguments\"".to_owned(),
                Unclear::Twice => format!("the {argument:?} parameter"),
            };
            InvalidParams(format!("{what} {unclear}"))
        })?;
        let (Some(found), Some(span)) = (found, span) else {
            return Err(invalid(format!(
                "tool {tool} is provided by a family on servers {available}; the {argument:?} \
                 parameter is required"
            )));
        };
        let value = &given[found.value.start..found.value.end];
        let server: Box<str> = serde_json::from_slice(value).map_err(|_| {
            InvalidParams(format!("the {argument:?} parameter must be one of {available}"))
        })?;
        let entry = family.instance(&server).cloned().ok_or_else(|| {
            let down = self.catalogue.down_in_family(&family.name.name, &server, view.visibility);
            down.unwrap_or_else(|| {
                let why = format!("is not available on server {server:?} (available: {available})");
                invalid(format!("tool {tool} {why}"))
            })
        })?;
        let (start, end) = (span.start + found.whole.start, span.start + found.whole.end);
        let stripped = splice(message.raw(), &[(Span { start, end }, b"")]);
        let message = Message::parse(stripped).map_err(|error| invalid(error.to_string()))?;
        call.request = Request::new(message)?;
        Ok(Route::Entry(entry))
    }

    /// The entry's backend; at a backend's own endpoint it hears also of what it did not list, and
    /// answers in its own words.
    fn found(
        &self,
        call: &Call,
        entry: Option<Arc<Entry>>,
        kind: Kind,
        key: &str,
        view: &View,
    ) -> Result<Route, Error> {
        if let Some(entry) = entry {
            return Ok(Route::Entry(entry));
        }
        let unlisted = self.catalogue.backend(&call.endpoint);
        unlisted
            .map(Route::Backend)
            .ok_or_else(|| self.catalogue.missing(&call.endpoint, kind, key, view.visibility))
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
        self.found(call, entry, kind, key, view)
    }
}

fn required<'a>(text: Option<&'a Text>, field: &str) -> Result<&'a str, Error> {
    let text = text.ok_or_else(|| InvalidParams(format!("\"{field}\" is missing")))?;
    Ok(&text.value)
}

/// The value of an argument, if it is a text that stands there once.
fn text_argument(call: &Call, argument: &str) -> Option<Box<str>> {
    let given = call.request.message().bytes(call.request.params().arguments?);
    let found = member(given, argument).ok()??;
    serde_json::from_slice(&given[found.value.start..found.value.end]).ok()
}

fn unknown_method(call: &Call) -> Error {
    Error::UnknownMethod(call.request.message().method_name().into())
}

/// A way to what is exposed is no such thing itself.
fn refuse_meta(route: Route) -> Result<Route, Error> {
    match &route {
        Route::Entry(entry) if entry.is_meta() => {
            Err(invalid(format!("{} is a meta-tool; call it directly", entry.exposed)))
        }
        _ => Ok(route),
    }
}

fn invalid(text: String) -> Error {
    Error::InvalidParams(text.into())
}

impl<S> Service<Call> for Resolve<S>
where
    S: Service<Routed, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (reply, envelope) = match self.resolve(call) {
            Ok(Resolved::Routed(routed, envelope)) => {
                note(&routed);
                (Either::Right(self.inner.call(routed)), envelope)
            }
            Ok(Resolved::Answered(reply)) => (Either::Left(ready(Ok(reply))), None),
            Err(error) => (Either::Left(ready(Err(error))), None),
        };
        ResponseFuture { reply, envelope }
    }
}

pin_project! {
    /// Wraps the response, if the call was spelled as another one.
    pub struct ResponseFuture<F> {
        #[pin]
        reply: Either<Ready<Result<Reply, Error>>, F>,
        envelope: Option<Envelope>,
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for ResponseFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = std::task::ready!(this.reply.poll(cx));
        Poll::Ready(match (reply, this.envelope.take()) {
            (reply, None) => reply,
            (Ok(reply), Some(envelope)) => reply.shaped(|answer| envelope.wrap(answer)),
            (Err(error), Some(envelope)) => envelope.wrap(Err(error)).map(Reply::message),
        })
    }
}

/// Tells the record what was named.
fn note(Routed { call, route, .. }: &Routed) {
    let (name, backend) = match route {
        Route::Entry(entry) => (Some(&entry.exposed), entry.backend()),
        Route::Backend(backend) => (None, Some(backend)),
        Route::List(_) => return,
    };
    if let Some(backend) = backend {
        let _ = call.notes.backend.set(Arc::clone(backend.name()));
    }
    // A resource's name is a URI, of which there are too many.
    if let (Some(name), Method::CallTool | Method::GetPrompt) = (name, call.request.method()) {
        let _ = call.notes.name.set(Arc::clone(name));
    }
}
