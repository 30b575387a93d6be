//! Requests of clients, and requests of our own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;
use tokio::time;

use super::connection::Connection;
use super::dropped;
use super::exchange::{Exchange, Said};
use super::post::Started;
use crate::backends::Unsolicited;
use crate::backends::relay::{Caller, Target, outgoing};
use crate::call::{Error, Event, Reply, Request};
use crate::mcp::Message;
use crate::mcp::method::notification;
use crate::outbound::Client;

/// How long a backend that answers with a stream has to say the first thing before the caller gets
/// a stream too, and with it a sign of life. Quick answers stay single messages.
const PATIENCE: Duration = Duration::from_secs(1);

impl Connection {
    /// Relays a client's request.
    ///
    /// # Cancel safety
    /// Dropping this, or the reply before its end, gives the request up and tells the backend.
    ///
    /// # Errors
    /// When the backend cannot be reached, is silent for too long or gives no valid answer.
    pub async fn call(
        self: &Arc<Self>,
        client: &Client,
        request: &Request,
        target: &Target,
    ) -> Result<Reply, Error> {
        let wire_id = self.next_id();
        let caller = Caller::of(request);
        let message = (wire_id, outgoing(request, wire_id, target));
        let idle = self.endpoint.config.call_timeout;
        let wants_progress = request.params().progress_token.is_some();
        let mut exchange = match self.start(client, message, idle, wants_progress).await? {
            Started::Response(response) => return Ok(Reply::message(caller.response(response))),
            Started::Exchange(exchange) => exchange,
        };
        let first = tokio::select! {
            biased;
            said = exchange.next() => Some(said?),
            () = time::sleep(PATIENCE) => None,
        };
        Ok(match first {
            Some(Said::Response(response)) => Reply::message(caller.response(response)),
            first => Reply::stream(Relayed { exchange, caller, first, has_ended: false }),
        })
    }

    /// Puts a request of our own and gives the raw response: a result or an error.
    ///
    /// # Errors
    /// As for [`call`](Self::call); the whole has to be over within `deadline`.
    pub async fn request(
        self: &Arc<Self>,
        client: &Client,
        method: &str,
        params: Option<&Value>,
        deadline: Duration,
    ) -> Result<Message, Error> {
        let wire_id = self.next_id();
        let message = (wire_id, own_request(wire_id, method, params));
        let asking = async {
            match self.start(client, message, deadline, false).await? {
                Started::Response(response) => Ok(response),
                Started::Exchange(exchange) => self.response_of(exchange).await,
            }
        };
        let timeout = |_| Error::Timeout { backend: self.endpoint.name(), after: deadline };
        time::timeout(deadline, asking).await.map_err(timeout)?
    }

    /// The response; what comes before it belongs to no client.
    async fn response_of(self: &Arc<Self>, mut exchange: Box<Exchange>) -> Result<Message, Error> {
        loop {
            match exchange.next().await? {
                Said::Response(response) => return Ok(response),
                Said::Notification(message) => self.deliver(Unsolicited::Notification(message)),
                Said::Request(message) => {
                    let responder = exchange.ask(&message);
                    self.deliver(Unsolicited::Request(message, responder));
                }
            }
        }
    }
}

fn own_request(wire_id: u64, method: &str, params: Option<&Value>) -> Bytes {
    let mut request = serde_json::json!({ "jsonrpc": "2.0", "id": wire_id, "method": method });
    if let Some(params) = params {
        request["params"] = params.clone();
    }
    request.to_string().into()
}

/// An exchange as its caller sees it: its own id, its own progress token.
struct Relayed {
    exchange: Box<Exchange>,
    caller: Caller,
    first: Option<Said>,
    has_ended: bool,
}

impl Relayed {
    fn event(&mut self, said: Said) -> Option<Event> {
        match said {
            Said::Response(response) => Some(Event::Response(self.caller.response(response))),
            Said::Request(request) => {
                let responder = self.exchange.ask(&request);
                Some(Event::Request(request.raw().clone(), responder))
            }
            Said::Notification(message) if message.method_name() == notification::PROGRESS => {
                let progress = self.caller.progress(&message);
                if progress.is_none() {
                    dropped("unwanted_progress");
                }
                progress.map(Event::Notification)
            }
            Said::Notification(message) => Some(Event::Notification(message.raw().clone())),
        }
    }
}

impl Stream for Relayed {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.has_ended {
            let said = match this.first.take() {
                Some(said) => Ok(said),
                None => ready!(this.exchange.poll_next(cx)),
            };
            this.has_ended = matches!(said, Ok(Said::Response(_)) | Err(_));
            if let Some(event) = said.map(|said| this.event(said)).transpose() {
                return Poll::Ready(Some(event));
            }
        }
        Poll::Ready(None)
    }
}
