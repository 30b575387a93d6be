//! A request of a session: answered here, or sent through the call stack.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Request};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Mcp, Stack, principal};
use crate::call::{self, Call, Client, Endpoint, Notes, Principal, Via};
use crate::error::{Error, render_call};
use crate::layers::http::request_id::RequestId;
use crate::mcp::{self, LogLevel, Message, Method, response};
use crate::sessions::{Guarded, Head, Listener, Place, Relay, Session};

/// W3C Trace Context, Level 1.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who sends a message, and what its transport says about it.
#[derive(Clone)]
pub(in crate::routes) struct Caller {
    /// Who it is.
    pub(in crate::routes) principal: Arc<Principal>,
    /// The id of the HTTP request it came in.
    pub(in crate::routes) request_id: Option<Box<str>>,
    /// The client's `traceparent`.
    pub(in crate::routes) trace: Option<Arc<str>>,
}

impl Caller {
    /// Whoever sent an HTTP request.
    pub(in crate::routes) fn of<B>(http: &Request<B>) -> Self {
        let request_id = http.extensions().get::<RequestId>().map(|id| id.as_str().into());
        let trace = http.headers().get(TRACEPARENT);
        let trace = trace.and_then(|trace| trace.to_str().ok()).map(Arc::from);
        Self { principal: principal(http), request_id, trace }
    }
}

/// What a request comes to at first.
pub(in crate::routes) enum Begun {
    /// One message, already there.
    Message(Bytes),
    /// A call under way.
    Call(Box<Relay>),
}

/// What a request comes to.
pub(super) enum Answer {
    /// One message.
    Message(Bytes),
    /// A stream.
    Stream(Box<Guarded>),
    /// An error that the HTTP status has to tell.
    Gone(Error),
    /// The client cancelled, and gets no answer.
    Nothing,
}

impl<S: Stack> Mcp<S> {
    /// Takes a request and waits until it is known what kind of response it comes to.
    pub(super) async fn request(
        &self,
        http: &Request<Bytes>,
        session: &Session,
        endpoint: &Endpoint,
        message: Message,
    ) -> Result<Answer, Error> {
        let id = message.id().expect("a request has an id");
        let relay = match self.begin(Caller::of(http), session, endpoint, message)? {
            Begun::Message(message) => return Ok(Answer::Message(message)),
            Begun::Call(relay) => relay,
        };
        let mut relay = Guarded::new(relay, self.keeper.clone());
        // A call that stays silent becomes a stream, which comments can keep alive on its way.
        let patience = Instant::now() + self.shared.keep_alive;
        let head = self.timers.until(patience, relay.head());
        let Some(head) = self.ending.stopping.run_until_cancelled(head).await else {
            return Err(call::Error::Stopping.into());
        };
        Ok(match head {
            Some(Head::Message(message)) => Answer::Message(message),
            Some(Head::Failed(error)) => failed(&id, error),
            Some(Head::Cancelled) => Answer::Nothing,
            Some(Head::Stream) | None => Answer::Stream(Box::new(relay)),
        })
    }

    /// Answers a request, or begins the call that will.
    pub(in crate::routes) fn begin(
        &self,
        caller: Caller,
        session: &Session,
        endpoint: &Endpoint,
        message: Message,
    ) -> Result<Begun, Error> {
        let id = message.id().expect("a request has an id");
        match message.method() {
            Method::Ping => Ok(Begun::Message(response::result(&id, b"{}"))),
            Method::SetLevel => {
                self.set_level(session, &message)?;
                Ok(Begun::Message(response::result(&id, b"{}")))
            }
            // Requests that a client answers and never sends, and what `/mcp` has no backend for.
            Method::Initialize | Method::CreateMessage | Method::Elicit | Method::ListRoots => {
                Err(unknown_method(&message))
            }
            Method::Other if *endpoint == Endpoint::Aggregate => Err(unknown_method(&message)),
            _ => self.call(caller, session, endpoint, message),
        }
    }

    fn call(
        &self,
        caller: Caller,
        session: &Session,
        endpoint: &Endpoint,
        message: Message,
    ) -> Result<Begun, Error> {
        let request = call::Request::new(message).map_err(call::Error::from)?;
        let sessions = &self.shared.sessions;
        let is_home = sessions.place(session) == Place::Here;
        let log_level = self.log_level(session);
        let id = request.id().clone();
        let notes = Notes { request_id: caller.request_id, ..Notes::default() };
        let notes = Arc::new(notes);
        let call = Call {
            version: session.version,
            client: Client {
                capabilities: session.capabilities,
                log_level,
                session: is_home.then_some(session.id),
            },
            principal: caller.principal,
            endpoint: endpoint.clone(),
            request,
            trace: caller.trace,
            via: Via::Native,
            deadline: None,
            notes: Arc::clone(&notes),
        };
        let listener = Listener {
            version: session.version,
            capabilities: session.capabilities,
            session: Some((Arc::clone(sessions), session.id)),
            log_level,
            notes,
            claim: Some(sessions.running().claim(session.id, id.clone())),
        };
        let relay = Relay::new(self.stack.begin(call), id, render_call, listener);
        Ok(Begun::Call(Box::new(relay)))
    }

    /// What the client set with `logging/setLevel`; a session that calls is in use.
    fn log_level(&self, session: &Session) -> Option<LogLevel> {
        let state = self.shared.sessions.existing_state(session.id)?;
        state.touch();
        state.level()
    }

    fn set_level(&self, session: &Session, message: &Message) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Params {
            level: Box<str>,
        }
        let params: Params = serde_json::from_slice(message.params().unwrap_or(b"{}"))
            .map_err(|error| Error::Params(format!("invalid params: {error}")))?;
        let level = LogLevel::parse(&params.level).ok_or_else(|| {
            let known = LogLevel::ALL.map(LogLevel::as_str).join(", ");
            Error::Params(format!("unknown log level {:?}; use one of {known}", params.level))
        })?;
        self.shared.sessions.state(session.id)?.set_level(level);
        // Elsewhere it goes for what runs here: clients say it while they connect, and a 404 would fail that.
        if self.shared.sessions.place(session) == Place::There {
            return Ok(());
        }
        let client = Client {
            capabilities: session.capabilities,
            log_level: Some(level),
            session: Some(session.id),
        };
        self.shared.registry.set_level(&client, level);
        Ok(())
    }
}

fn failed(id: &mcp::RequestId, error: call::Error) -> Answer {
    match error {
        error @ (call::Error::NotHome { .. } | call::Error::Scope { .. }) => {
            Answer::Gone(error.into())
        }
        error => Answer::Message(render_call(Some(id), &error)),
    }
}

fn unknown_method(message: &Message) -> Error {
    call::Error::UnknownMethod(message.method_name().into()).into()
}
