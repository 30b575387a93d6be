//! The reply to one call, as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

use super::Connection;
use super::clock::Clock;
use super::queue::Item;
use super::wire::Pending;
use crate::backends::relay::Caller;
use crate::call::{Error, Event};

/// The events of one call, under the caller's id and token.
///
/// It keeps the connection: one that has been replaced closes when its last call is done.
pub(in crate::backends) struct Events {
    pub(in crate::backends) pending: Pending,
    pub(in crate::backends) caller: Caller,
    pub(in crate::backends) clock: Clock,
    pub(in crate::backends) connection: Arc<Connection>,
}

impl Events {
    /// The event that an item is; `None` for progress that the caller did not ask for.
    fn event(&self, item: Item) -> Option<Result<Event, Error>> {
        self.clock.touch();
        Some(Ok(match item {
            Item::Progress(message) => Event::Notification(self.caller.progress(&message)?),
            Item::Log(message) => Event::Notification(message.raw().clone()),
            Item::Request(message, responder) => {
                Event::Request(message.raw().clone(), self.clock.asking(responder))
            }
            Item::End(Ok(message)) => Event::Response(self.caller.response(message)),
            Item::End(Err(error)) => return Some(Err(error)),
        }))
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Poll::Ready(item) = self.pending.queue.poll_next(cx) {
            if let Some(event) = self.event(item) {
                return Poll::Ready(Some(event));
            }
        }
        let after = ready!(self.clock.poll_expired(cx));
        let backend = Arc::clone(self.connection.backend());
        Poll::Ready(Some(Err(Error::Timeout { backend, after })))
    }
}
