//! Responses that stream: what a call says, with comments while it says nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use tokio::time::{self, Interval, MissedTickBehavior};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Ending, Shared};
use crate::call;
use crate::error::Error;
use crate::layers::http::streams::Stream as OpenStream;
use crate::mcp::{header as mcp_header, sse};
use crate::server::{Body, BoxError};
use crate::sessions::Guarded;

/// A stream of the relays' frames; messages that are ready come first.
pub(super) fn response(
    shared: &Shared,
    ending: &Ending,
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
    let keep_alive = quiet(shared.keep_alive);
    let stopping = Some(Box::pin(ending.stopping.clone().cancelled_owned()));
    Ok(event_stream(Body::stream(Calls { relays, frames, keep_alive, stopping, _open: open })))
}

/// The head of every stream.
pub(in crate::routes) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mcp_header::EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(mcp_header::ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Ticks whenever nothing was said for that long.
pub(in crate::routes) fn quiet(every: Duration) -> Interval {
    let mut interval = time::interval_at(time::Instant::now() + every, every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The body of a POST that streams.
struct Calls {
    relays: Vec<Guarded>,
    frames: VecDeque<Bytes>,
    keep_alive: Interval,
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _open: OpenStream,
}

impl http_body::Body for Calls {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(frame) = this.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if this.stopping.as_mut().is_some_and(|stopping| stopping.as_mut().poll(cx).is_ready()) {
            this.stopping = None;
            this.relays.iter_mut().for_each(|relay| relay.fail(&call::Error::Stopping));
        }
        let mut at = 0;
        while at < this.relays.len() {
            match this.relays[at].poll_frame(cx) {
                Poll::Ready(Some(frame)) => {
                    this.keep_alive.reset();
                    return Poll::Ready(Some(Ok(Frame::data(frame))));
                }
                Poll::Ready(None) => drop(this.relays.swap_remove(at)),
                Poll::Pending => at += 1,
            }
        }
        if this.relays.is_empty() {
            return Poll::Ready(None);
        }
        this.keep_alive.poll_tick(cx).map(|_| {
            let comment = Frame::data(Bytes::from_static(sse::KEEP_ALIVE));
            Some(Ok(comment))
        })
    }
}
