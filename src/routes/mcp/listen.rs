//! GET: the client listens, or comes back for what it missed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Mcp, Stack, accept, principal};
use crate::call::{Client, Endpoint};
use crate::error::Error;
use crate::layers::http::streams::Stream as OpenStream;
use crate::mcp::header as mcp_header;
use crate::routes::event_stream::lasting_event_stream;
use crate::routes::expiry::{Expiry, farewell};
use crate::server::Body;
use crate::sessions::{Listening, parse_event_id};

/// When a client is to come back after we stopped, in milliseconds.
pub(in crate::routes) const RETRY: &[u8] = b"retry: 1000\n\n";

impl<S: Stack> Mcp<S> {
    /// Opens the session's own stream, or goes on with the one that `Last-Event-ID` names.
    pub(super) fn listen<B>(
        &self,
        request: &Request<B>,
        endpoint: Endpoint,
    ) -> Result<Response<Body>, Error> {
        accept::listen(request.headers())?;
        let session = self.session(request)?;
        if self.ending.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let open = self.shared.streams.open()?;
        let state = self.shared.sessions.state(session.id)?;
        let resumed = last_event(request)
            .and_then(|(stream, after)| state.stream(stream).map(|log| (log, after)));
        let own = state.own_stream();
        let (log, after) =
            resumed.map_or_else(|| (own.clone(), None), |(log, after)| (log, Some(after)));
        let is_own = log.stream() == own.stream();
        let client = Client {
            capabilities: session.capabilities,
            log_level: None,
            session: Some(session.id),
        };
        let view = self.shared.catalogue.view(&client, &principal(request));
        let opening =
            (after.is_none() && session.version.has_priming_events()).then(|| log.priming(None));
        let body = Listen {
            opening,
            events: Some(Box::pin(log.read(after))),
            expiry: Expiry::of(&principal(request), self.shared.stream_grace),
            draining: Box::pin(self.ending.draining.clone().cancelled_owned()),
            _listening: is_own.then(|| state.listen(endpoint, view)),
            _open: open,
        };
        Ok(lasting_event_stream(body, self.shared.keep_alive))
    }
}

fn last_event<B>(request: &Request<B>) -> Option<(u64, u64)> {
    parse_event_id(request.headers().get(mcp_header::LAST_EVENT_ID)?.to_str().ok()?)
}

/// The body of a GET stream.
struct Listen {
    opening: Option<Bytes>,
    events: Option<Pin<Box<dyn Stream<Item = Bytes> + Send>>>,
    expiry: Expiry,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    _listening: Option<Listening>,
    _open: OpenStream,
}

impl Stream for Listen {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if let Some(opening) = this.opening.take() {
            return Poll::Ready(Some(opening));
        }
        let Some(events) = &mut this.events else { return Poll::Ready(None) };
        // First, or a stream that is never silent would never end.
        if this.expiry.poll(cx).is_ready() {
            this.events = None;
            return Poll::Ready(Some(farewell()));
        }
        if let Poll::Ready(event) = events.as_mut().poll_next(cx) {
            return Poll::Ready(event);
        }
        std::task::ready!(this.draining.as_mut().poll(cx));
        this.events = None;
        Poll::Ready(Some(Bytes::from_static(RETRY)))
    }
}
