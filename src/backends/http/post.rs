//! Putting a request to the backend, and what kind of answer it gives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::Instant;

use super::clock::{ABSOLUTE_CAP, Clock};
use super::connection::Connection;
use super::dropped;
use super::exchange::{Cancel, Exchange, is_response_to};
use crate::backends::MAX_MESSAGE_BYTES;
use crate::backends::remote::{Cursor, Media, Messages, Refusal, excerpt, media, parse_into};
use crate::call::Error;
use crate::mcp::Message;
use crate::outbound::{Body, BodyError, Client};

/// How the answer to a request begins.
pub(super) enum Started {
    /// With the response: there was nothing else.
    Response(Message),
    /// With something else, or nobody knows yet.
    Exchange(Box<Exchange>),
}

/// What a POST brought.
enum Answer {
    Response(Message),
    Several(VecDeque<Message>),
    Stream(Box<Messages>),
}

impl Connection {
    /// Puts a request; `idle` is how long the backend may be silent.
    ///
    /// # Cancel safety
    /// Dropped before the answer has begun, it tells the backend that the request is given up.
    pub(super) async fn start(
        self: &Arc<Self>,
        client: &Client,
        (wire_id, body): (u64, Bytes),
        idle: Duration,
        wants_progress: bool,
    ) -> Result<Started, Error> {
        if self.closed.is_cancelled() {
            return Err(self.endpoint.lost("the connection was closed"));
        }
        let started = Instant::now();
        let reports = wants_progress.then(|| self.running.enter(wire_id));
        let mut cancel = Cancel::new(self, wire_id);
        let put = self.put(client, wire_id, body);
        let answer = match client.timers().until(started + idle.min(ABSOLUTE_CAP), put).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                cancel.disarm();
                return Err(error);
            }
            None => return Err(Error::Timeout { backend: self.endpoint.name(), after: idle }),
        };
        let has_reports = reports.as_ref().is_some_and(|reports| !reports.is_empty());
        let (stream, queue) = match answer {
            Answer::Response(response) if !has_reports => {
                cancel.disarm();
                return Ok(Started::Response(response));
            }
            Answer::Response(response) => (None, VecDeque::from([response])),
            Answer::Several(queue) => (None, queue),
            Answer::Stream(stream) => (Some(stream), VecDeque::new()),
        };
        let clock = Clock::new(started, idle);
        let exchange = Exchange::new(client.clone(), cancel, clock, reports, stream, queue);
        Ok(Started::Exchange(Box::new(exchange)))
    }

    /// Sends the request; once more in a new session if the backend has forgotten the old one.
    async fn put(
        self: &Arc<Self>,
        client: &Client,
        wire_id: u64,
        body: Bytes,
    ) -> Result<Answer, Error> {
        let mut is_first = true;
        loop {
            let session = self.session.load_full();
            let response = self
                .endpoint
                .send(client, &session.post, body.clone())
                .await
                .map_err(|error| self.endpoint.failed(&error))?;
            if response.status().is_success() {
                return self.accepted(response, wire_id).await;
            }
            let refusal = Refusal::read(response).await;
            let is_bad_request = refusal.status == StatusCode::BAD_REQUEST;
            if session.id.is_some() && refusal.may_be_session_loss(wire_id) {
                if is_first && !(is_bad_request && self.renewals.are_useless()) {
                    is_first = false;
                    self.renew(session.generation).await?;
                    continue;
                }
                if !is_first && is_bad_request {
                    self.renewals.note_useless();
                }
            }
            return refusal.into_response(&self.endpoint, wire_id).map(Answer::Response);
        }
    }

    /// Takes a response with a status of success.
    async fn accepted(&self, response: Response<Body>, wire_id: u64) -> Result<Answer, Error> {
        let status = response.status();
        let media = media(response.headers());
        if media == Media::EventStream {
            let (body, cursor) = (response.into_body(), Cursor::default());
            let messages = Messages::new(body, cursor, self.endpoint.name());
            return Ok(Answer::Stream(Box::new(messages)));
        }
        let body = response.into_body().collect(MAX_MESSAGE_BYTES).await.map_err(|error| {
            if let BodyError::TooLarge { .. } = error {
                dropped("oversized");
                return self.endpoint.bad_answer(error.to_string());
            }
            self.endpoint.lost(error.chain())
        })?;
        if status == StatusCode::ACCEPTED || body.is_empty() {
            let detail = format!("HTTP {} without a response", status.as_u16());
            return Err(self.endpoint.bad_answer(detail));
        }
        let mut queue = VecDeque::new();
        let parsed = match media {
            Media::Other => None,
            _ => parse_into(body.clone(), &mut queue).ok(),
        };
        match parsed {
            Some(Some(only)) if queue.is_empty() && is_response_to(&only, wire_id) => {
                Ok(Answer::Response(only))
            }
            Some(first) => {
                if let Some(first) = first {
                    queue.push_front(first);
                }
                Ok(Answer::Several(queue))
            }
            None => {
                dropped("garbage");
                let said = excerpt(&body);
                Err(self.endpoint.bad_answer(format!("HTTP {}: {said}", status.as_u16())))
            }
        }
    }
}
