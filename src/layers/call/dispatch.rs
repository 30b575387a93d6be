//! The end of the call stack: the catalogue answers lists, backends answer the rest.

use std::sync::Arc;

use tower::{Service, service_fn};

use super::Routed;
use crate::backends::relay::Target;
use crate::backends::{Handle, Isolation, Key};
use crate::call::{Builtin, Call, Error, Outcome, Reply, Response, SessionId};
use crate::catalogue::{Catalogue, Route, Source, View};
use crate::mcp::{Method, response};
use crate::outbound;
use crate::sessions::{Added, Sessions, TooManySessions};

/// What dispatching needs; one per worker, for the HTTP connections are a worker's own.
pub struct Dispatch {
    /// Answers lists.
    pub catalogue: Arc<Catalogue>,
    /// Knows who subscribed to what.
    pub sessions: Arc<Sessions>,
    /// The worker's connections.
    pub client: outbound::Client,
}

/// The innermost service of a worker's call stack.
pub fn service(
    dispatch: Dispatch,
) -> impl Service<
    Routed,
    Response = Reply,
    Error = Error,
    Future = impl Future<Output = Result<Reply, Error>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    let dispatch = Arc::new(dispatch);
    // Boxed before layers wrap it and move it on: it holds the call and all that asking a backend
    // takes.
    service_fn(move |routed| Box::pin(Arc::clone(&dispatch).dispatch(routed)))
}

impl Dispatch {
    async fn dispatch(self: Arc<Self>, routed: Routed) -> Result<Reply, Error> {
        let Routed { call, route, visibility } = routed;
        match route {
            Route::List(kind) => {
                let cursor = call.request.params().cursor.as_ref().map(|text| &*text.value);
                let view = View::of(&call.client, visibility);
                let result = self.catalogue.list(&call.endpoint, kind, cursor, &view).await;
                let result =
                    result.map_err(|error| Error::InvalidParams(error.to_string().into()))?;
                Ok(answer(&call, &result))
            }
            Route::Backend(backend) => {
                refuse_tasks_of_others(&call, &backend)?;
                self.ask(&call, &backend, &Target::default()).await
            }
            Route::Entry(entry) => match &entry.source {
                Source::Backend(backend) => self.ask(&call, backend, &entry.target()).await,
                Source::Own { builtin, .. } => own(call, builtin).await,
                // What it stands for is what is routed.
                Source::Spelling(_) => Err(Error::UnknownTool((&*entry.exposed).into())),
            },
        }
    }

    async fn ask(
        &self,
        call: &Call,
        backend: &Arc<Handle>,
        target: &Target,
    ) -> Result<Reply, Error> {
        match call.request.method() {
            Method::Subscribe => self.subscribe(call, backend).await,
            Method::Unsubscribe => self.unsubscribe(call, backend).await,
            _ => self.relay(call, backend, target).await,
        }
    }

    async fn relay(&self, call: &Call, backend: &Handle, target: &Target) -> Result<Reply, Error> {
        if backend.config().isolation == Isolation::Session && call.client.session.is_none() {
            return Err(Error::NotHome { backend: Arc::clone(backend.name()) });
        }
        backend.call(&self.client, &call.request, target, &call.client).await
    }

    /// Subscribes, and remembers it: others may share the connection, and a backend that loses its
    /// session has to be told again.
    async fn subscribe(&self, call: &Call, backend: &Arc<Handle>) -> Result<Reply, Error> {
        let (key, session) = subscriber(call, backend)?;
        // Updates go to the session's state, and end with it.
        let state = self.sessions.state(session);
        state.map_err(|TooManySessions(limit)| Error::TooManySessions(limit))?;
        let added = self.sessions.subscriptions().add(backend, key, uri(call), session);
        if added == Added::TooMany {
            return Err(Error::InvalidParams("this session has too many subscriptions".into()));
        }
        let mut unaccepted = Unaccepted {
            sessions: Arc::clone(&self.sessions),
            subscribed: (added == Added::New).then(|| (Arc::clone(backend), key, uri(call).into())),
            session,
        };
        let mut reply = self.relay(call, backend, &Target::default()).await?;
        reply.on_end(move |outcome| {
            if outcome == Outcome::Ok {
                unaccepted.accept();
            }
        });
        Ok(reply)
    }

    async fn unsubscribe(&self, call: &Call, backend: &Handle) -> Result<Reply, Error> {
        let (key, session) = subscriber(call, backend)?;
        if !self.sessions.subscriptions().remove(backend.name(), key, uri(call), session) {
            return Ok(answer(call, b"{}")); // others still want to hear of it
        }
        self.relay(call, backend, &Target::default()).await
    }
}

async fn own(call: Call, builtin: &Arc<dyn Builtin>) -> Result<Reply, Error> {
    match call.request.method() {
        // What we offer is read anew each time, and nothing of it announces updates.
        Method::Subscribe | Method::Unsubscribe => Ok(answer(&call, b"{}")),
        _ => builtin.call(call).await,
    }
}

/// A new subscription, taken back unless the backend accepts it. It stands from the beginning, or
/// an update that follows the acceptance at once would reach nobody.
struct Unaccepted {
    sessions: Arc<Sessions>,
    subscribed: Option<(Arc<Handle>, Key, Box<str>)>,
    session: SessionId,
}

impl Unaccepted {
    fn accept(&mut self) {
        self.subscribed = None;
    }
}

impl Drop for Unaccepted {
    fn drop(&mut self) {
        if let Some((backend, key, uri)) = self.subscribed.take() {
            self.sessions.subscriptions().remove(backend.name(), key, &uri, self.session);
        }
    }
}

/// The connection that a client uses, and its session.
fn subscriber(call: &Call, backend: &Handle) -> Result<(Key, SessionId), Error> {
    let not_home = || Error::NotHome { backend: Arc::clone(backend.name()) };
    let session = call.client.session.ok_or_else(not_home)?;
    let key = backend.client_key(&call.client).ok_or_else(not_home)?;
    Ok((key, session))
}

fn uri(call: &Call) -> &str {
    call.request.params().uri.as_ref().map_or("", |uri| &uri.value)
}

/// To a backend that several clients share they are all one client: each could list, read and
/// cancel the tasks (MCP 2025-11-25, Tasks) of all others.
fn refuse_tasks_of_others(call: &Call, backend: &Handle) -> Result<(), Error> {
    let is_about_tasks = call.request.message().method_name().starts_with("tasks/");
    if is_about_tasks && backend.config().isolation == Isolation::Shared {
        let name = backend.name();
        let why = format!(
            "the clients of backend {name} would share their tasks; set spec.gateway.isolation: \
             session to let them have tasks of their own"
        );
        return Err(Error::Denied(why.into()));
    }
    Ok(())
}

fn answer(call: &Call, result: &[u8]) -> Reply {
    Reply::message(Response::ok(response::result(call.request.id(), result)))
}
