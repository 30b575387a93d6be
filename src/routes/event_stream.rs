//! A response that is a stream of server-sent events.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use tokio::time::{self, Interval, MissedTickBehavior};

use crate::mcp::{header as mcp_header, sse};
use crate::server::{Body, BoxError, Lasting};

/// The frames as they come, and a comment whenever none came for that long.
pub(super) fn event_stream(
    frames: impl Stream<Item = Bytes> + Send + Unpin + 'static,
    keep_alive: Duration,
) -> Response<Body> {
    let mut quiet = time::interval_at(time::Instant::now() + keep_alive, keep_alive);
    quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut response = Response::new(Body::stream(Alive { frames, quiet }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mcp_header::EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(mcp_header::ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// The same of a stream that a client opens to listen, for hours and mostly to silence.
pub(super) fn lasting_event_stream(
    frames: impl Stream<Item = Bytes> + Send + Unpin + 'static,
    keep_alive: Duration,
) -> Response<Body> {
    let mut response = event_stream(frames, keep_alive);
    response.extensions_mut().insert(Lasting);
    response
}

/// Frames, with signs of life between them.
struct Alive<F> {
    frames: F,
    quiet: Interval,
}

impl<F: Stream<Item = Bytes> + Unpin> http_body::Body for Alive<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.frames).poll_next(cx) {
            Poll::Ready(frame) => {
                this.quiet.reset();
                frame
            }
            Poll::Pending => {
                std::task::ready!(this.quiet.poll_tick(cx));
                Some(Bytes::from_static(sse::KEEP_ALIVE))
            }
        };
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_that_it_is_alive_and_one_that_speaks_need_not() {
        let every = Duration::from_secs(15);
        let spoken = stream::unfold(0, |said| async move {
            time::sleep(Duration::from_secs(if said == 0 { 10 } else { 20 })).await;
            (said < 2).then(|| (Bytes::from("data: x\n\n"), said + 1))
        });
        let mut body = event_stream(Box::pin(spoken.fuse()), every).into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
        }
        let alive = Bytes::from_static(sse::KEEP_ALIVE);
        let spoken = Bytes::from("data: x\n\n");
        assert_eq!(frames, [spoken.clone(), alive.clone(), spoken, alive]);
    }
}
