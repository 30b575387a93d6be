//! Responses that stream: what a call says, with comments while it says nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::Response;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Ending, Shared};
use crate::call::{self, Principal};
use crate::error::Error;
use crate::layers::http::streams::Stream as OpenStream;
use crate::mcp::sse;
use crate::routes::event_stream::event_stream;
use crate::routes::expiry::Expiry;
use crate::server::Body;
use crate::sessions::Guarded;

/// How much of what is ready goes out at one time. Each frame by itself would cost a chunk of the
/// HTTP body, and often a write.
const GATHERED: usize = 16 << 10;

/// A stream of the relays' frames, as long as `caller` may read it; messages that are ready come
/// first.
pub(super) fn response(
    shared: &Shared,
    ending: &Ending,
    caller: &Principal,
    mut relays: Vec<Guarded>,
    ready: &[Bytes],
) -> Result<Response<Body>, Error> {
    let open = shared.streams.open().inspect_err(|_| {
        // The client gets an error instead of a stream: nobody is left to take the answers, and
        // whoever tries again must not find the first try still at work.
        for relay in &mut relays {
            relay.fail(&call::Error::Cancelled);
        }
    })?;
    let mut frames: VecDeque<Bytes> = relays.iter_mut().filter_map(Guarded::open_stream).collect();
    frames.extend(ready.iter().map(|message| sse::encode(message, None)));
    let stopping = Some(Box::pin(ending.stopping.clone().cancelled_owned()));
    let expiry = Some(Expiry::of(caller, shared.stream_grace));
    let calls = Calls { relays, frames, stopping, expiry, _open: open };
    Ok(event_stream(calls, shared.keep_alive))
}

/// The body of a POST that streams.
struct Calls {
    relays: Vec<Guarded>,
    frames: VecDeque<Bytes>,
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    expiry: Option<Expiry>,
    _open: OpenStream,
}

impl Stream for Calls {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if this.stopping.as_mut().is_some_and(|stopping| stopping.as_mut().poll(cx).is_ready()) {
            this.stopping = None;
            this.relays.iter_mut().for_each(|relay| relay.fail(&call::Error::Stopping));
        }
        if this.expiry.as_mut().is_some_and(|expiry| expiry.poll(cx).is_ready()) {
            this.expiry = None;
            this.relays.iter_mut().for_each(|relay| relay.fail(&call::Error::Expired));
        }
        let Some(first) = ready!(this.poll_frame(cx)) else { return Poll::Ready(None) };
        if first.len() >= GATHERED {
            return Poll::Ready(Some(first));
        }
        let Poll::Ready(Some(second)) = this.poll_frame(cx) else {
            return Poll::Ready(Some(first));
        };
        let mut gathered = BytesMut::with_capacity(GATHERED + second.len());
        gathered.extend_from_slice(&first);
        gathered.extend_from_slice(&second);
        while gathered.len() < GATHERED
            && let Poll::Ready(Some(frame)) = this.poll_frame(cx)
        {
            gathered.extend_from_slice(&frame);
        }
        Poll::Ready(Some(gathered.freeze()))
    }
}

impl Calls {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        let mut at = 0;
        while at < self.relays.len() {
            match self.relays[at].poll_frame(cx) {
                Poll::Ready(Some(frame)) => return Poll::Ready(Some(frame)),
                Poll::Ready(None) => drop(self.relays.swap_remove(at)),
                Poll::Pending => at += 1,
            }
        }
        if self.relays.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}
