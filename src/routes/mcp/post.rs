//! POST: the client sends messages.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};

use super::decode::{Inbound, decode};
use super::request::Answer;
use super::{Mcp, Stack, accept, json, principal, stream};
use crate::call::Endpoint;
use crate::error::Error;
use crate::mcp::{Invalid, Kind, Message, Method};
use crate::server::Body;
use crate::sessions::{Guarded, Session};

impl<S: Stack> Mcp<S> {
    pub(super) async fn post(
        &self,
        request: &Request<Bytes>,
        endpoint: Endpoint,
    ) -> Result<Response<Body>, Error> {
        accept::post(request.headers())?;
        match decode(request.body().clone())? {
            Inbound::One(message) => {
                let id = message.id();
                let answered = self.one(request, endpoint, message).await;
                Ok(answered.unwrap_or_else(|error| self.refusal(request, &error, id.as_ref())))
            }
            Inbound::Batch(messages) => self.batch(request, &endpoint, messages).await,
        }
    }

    async fn one(
        &self,
        request: &Request<Bytes>,
        endpoint: Endpoint,
        message: Message,
    ) -> Result<Response<Body>, Error> {
        if message.kind() == Kind::Request && message.method() == Method::Initialize {
            return self.initialize(request, &endpoint, &message).await;
        }
        let session = self.session(request)?;
        match self.take(request, &session, &endpoint, message).await? {
            None => Ok(accepted()),
            Some(Answer::Message(message)) => Ok(json(message)),
            Some(Answer::Gone(error)) => Err(error),
            Some(Answer::Nothing) => self.stream(request, Vec::new(), &[]),
            Some(Answer::Stream(relay)) => self.stream(request, vec![*relay], &[]),
        }
    }

    /// All calls of a batch run together; their answers share one stream if any needs one.
    async fn batch(
        &self,
        request: &Request<Bytes>,
        endpoint: &Endpoint,
        messages: Vec<Result<Message, Invalid>>,
    ) -> Result<Response<Body>, Error> {
        self.shared.rate_limit.charge_batch(request, messages.len())?;
        let session = self.session(request)?;
        if !session.version.allows_batches() {
            return Err(Error::Batch("batches exist in 2025-03-26 only; send one message"));
        }
        let answers = join_all(messages.into_iter().map(async |message| match message {
            Ok(message) if message.method() == Method::Initialize => {
                let error = Error::Batch("initialize must not be part of a batch");
                Some(Answer::Message(error.to_json_rpc(message.id().as_ref())))
            }
            Ok(message) => {
                let id = message.id();
                match self.take(request, &session, endpoint, message).await {
                    // The others' answers need the status, so the message alone tells it.
                    Ok(Some(Answer::Gone(error))) | Err(error) => {
                        Some(Answer::Message(error.to_json_rpc(id.as_ref())))
                    }
                    Ok(answer) => answer,
                }
            }
            Err(invalid) => Some(Answer::Message(Error::from(invalid).to_json_rpc(None))),
        }))
        .await;
        let (mut relays, mut ready) = (Vec::new(), Vec::new());
        for answer in answers.into_iter().flatten() {
            match answer {
                Answer::Stream(relay) => relays.push(*relay),
                Answer::Message(message) => ready.push(message),
                Answer::Gone(_) | Answer::Nothing => {} // the former was made a message above
            }
        }
        match (relays.is_empty(), ready.is_empty()) {
            (true, true) => Ok(accepted()),
            (true, false) => {
                let mut body = Vec::from(b"[");
                body.extend_from_slice(&ready.join(&b","[..]));
                body.push(b']');
                Ok(json(body.into()))
            }
            (false, _) => self.stream(request, relays, &ready),
        }
    }

    fn stream(
        &self,
        request: &Request<Bytes>,
        relays: Vec<Guarded>,
        ready: &[Bytes],
    ) -> Result<Response<Body>, Error> {
        stream::response(&self.shared, &self.ending, &principal(request), relays, ready)
    }

    /// Takes one message of a session; `None` if there is nothing to say to it.
    async fn take(
        &self,
        request: &Request<Bytes>,
        session: &Session,
        endpoint: &Endpoint,
        message: Message,
    ) -> Result<Option<Answer>, Error> {
        match message.kind() {
            Kind::Request => self.request(request, session, endpoint, message).await.map(Some),
            Kind::Notification => {
                self.notification(session, &message);
                Ok(None)
            }
            Kind::Response => {
                self.response(session, message);
                Ok(None)
            }
        }
    }
}

/// What was said is taken, and has no answer here.
pub(in crate::routes) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
