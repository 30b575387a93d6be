//! The events of an event stream, whatever they are.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::dropped;
use crate::backends::MAX_MESSAGE_BYTES;
use crate::mcp::sse::{Decoder, Event};
use crate::outbound::Body;

/// Why a stream cannot be read on.
#[derive(Debug)]
pub(in crate::backends) enum Broken {
    /// The connection ended within it; how.
    Lost(String),
    /// An event is larger than a message may be.
    TooLarge,
}

/// The events of a body, read as they are taken.
#[derive(Debug)]
pub(in crate::backends) struct Events {
    body: Body,
    decoder: Decoder,
}

impl Events {
    pub(in crate::backends) fn new(body: Body) -> Self {
        Self { body, decoder: Decoder::new(MAX_MESSAGE_BYTES) }
    }

    /// The next event; `None` at the end of the stream.
    pub(in crate::backends) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Broken>> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) => {}
                Err(_) => {
                    dropped("oversized");
                    return Poll::Ready(Err(Broken::TooLarge));
                }
            }
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(bytes)) => self.decoder.push(&bytes),
                Some(Err(error)) => {
                    return Poll::Ready(Err(Broken::Lost(error.chain())));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was read of an event stays here.
    pub(in crate::backends) async fn next(&mut self) -> Result<Option<Event>, Broken> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// What an event says, if it is of the kind that carries messages.
pub(in crate::backends) fn message_in(kind: &str, data: Option<Bytes>) -> Option<Bytes> {
    // Others are private to whoever sends them; one without data only carries an id.
    let carries = matches!(kind, "" | "message");
    data.filter(|data| carries && !data.is_empty())
}
