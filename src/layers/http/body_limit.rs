//! How large a request's body may be, and how long it may take.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use pin_project_lite::pin_project;
use tokio::time::{self, Instant, Sleep};
use tower::{Layer, Service};

use super::refuse::ResponseFuture;
use crate::server::BoxError;

/// Bounds of a request's body.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Larger bodies are refused.
    pub max_bytes: usize,
    /// How long nothing may come.
    pub silence: Duration,
    /// How long all of it may take.
    pub total: Duration,
}

impl Limits {
    /// So many bytes, 30 s of silence, two minutes altogether.
    pub const fn new(max_bytes: usize) -> Self {
        Self { max_bytes, silence: Duration::from_secs(30), total: Duration::from_mins(2) }
    }
}

/// Why a request has no whole body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than a body may be: 413.
    #[error("the request body is larger than {max_bytes} bytes")]
    TooLarge {
        /// How large it may be.
        max_bytes: usize,
    },
    /// It stopped coming, or comes too slowly: 408.
    #[error("the request body did not come within {} s", after.as_secs())]
    TimedOut {
        /// How long it may take.
        after: Duration,
    },
    /// The connection broke, or the framing is invalid: 400, if anybody is still there.
    #[error("cannot read the request body")]
    Broken(#[source] BoxError),
}

/// Refuses a body whose announced length is too large, and bounds the others while they are read.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimitLayer {
    limits: Limits,
}

impl BodyLimitLayer {
    /// These bounds for every request.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimit<S>;

    fn layer(&self, inner: S) -> BodyLimit<S> {
        BodyLimit { inner, limits: self.limits }
    }
}

/// See [`BodyLimitLayer`].
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit<S> {
    inner: S,
    limits: Limits,
}

impl<S> BodyLimit<S> {
    fn check(&self, headers: &HeaderMap) -> Result<(), BodyError> {
        let max_bytes = self.limits.max_bytes;
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        match announced.and_then(|digits| digits.parse::<u64>().ok()) {
            Some(length) if length > max_bytes as u64 => Err(BodyError::TooLarge { max_bytes }),
            _ => Ok(()),
        }
    }
}

impl<S, B> Service<Request<B>> for BodyLimit<S>
where
    S: Service<Request<Limited<B>>>,
    S::Error: From<BodyError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, BodyError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.check(req.headers()) {
            Ok(()) => {
                let req = req.map(|body| Limited::new(body, self.limits));
                ResponseFuture::passed(self.inner.call(req))
            }
            Err(refusal) => ResponseFuture::refused(refusal),
        }
    }
}

pin_project! {
    /// A request's body within its bounds.
    pub struct Limited<B> {
        #[pin]
        inner: B,
        limits: Limits,
        left: usize,
        // Most bodies are there with the head: only one that is waited for needs a timer.
        #[pin]
        patience: Option<Sleep>,
        deadline: Option<Instant>,
    }
}

impl<B> Limited<B> {
    /// Bounds a body.
    pub fn new(inner: B, limits: Limits) -> Self {
        Self { inner, limits, left: limits.max_bytes, patience: None, deadline: None }
    }
}

impl<B> Limited<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    /// The whole body in one piece. A body of one frame is not copied.
    ///
    /// # Errors
    /// When it exceeds its bounds or breaks off.
    pub async fn collect(self) -> Result<Bytes, BodyError> {
        let mut body = std::pin::pin!(self);
        let Some(first) = next_data(body.as_mut()).await? else { return Ok(Bytes::new()) };
        let Some(second) = next_data(body.as_mut()).await? else { return Ok(first) };
        // The announced length is within the limit, or `check` would have refused it; still it is
        // a stranger's word, so memory is only taken for what came.
        let mut whole = BytesMut::with_capacity(2 * (first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(data) = next_data(body.as_mut()).await? {
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }
}

/// The whole body in one piece, for requests that did not pass a [`BodyLimitLayer`].
///
/// # Errors
/// When it exceeds its bounds or breaks off.
pub async fn collect<B>(body: B, limits: Limits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    Limited::new(body, limits).collect().await
}

async fn next_data<B>(mut body: Pin<&mut Limited<B>>) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

impl<B> Body for Limited<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            this.patience.set(None);
            let Some(frame) = frame else { return Poll::Ready(None) };
            let frame = frame.map_err(|error| BodyError::Broken(error.into()))?;
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(left) = this.left.checked_sub(length) else {
                let max_bytes = this.limits.max_bytes;
                return Poll::Ready(Some(Err(BodyError::TooLarge { max_bytes })));
            };
            *this.left = left;
            return Poll::Ready(Some(Ok(frame)));
        }
        let limits = *this.limits;
        let deadline = *this.deadline.get_or_insert_with(|| Instant::now() + limits.total);
        if this.patience.is_none() {
            let patience = deadline.min(Instant::now() + limits.silence);
            this.patience.set(Some(time::sleep_until(patience)));
        }
        let patience = this.patience.as_mut().as_pin_mut().expect("set just before");
        ready!(patience.poll(cx));
        let after = if Instant::now() < deadline { limits.silence } else { limits.total };
        Poll::Ready(Some(Err(BodyError::TimedOut { after })))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{Stream, StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use tower::ServiceExt;

    use super::*;

    fn pieces(
        pieces: impl Stream<Item = &'static str>,
    ) -> impl Body<Data = Bytes, Error = Infallible> {
        StreamBody::new(pieces.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }

    #[tokio::test]
    async fn a_body_within_its_bounds_comes_in_one_piece() {
        for (body, whole) in [
            (vec![], ""),
            (vec!["one"], "one"),
            (vec!["one", "two"], "onetwo"),
            (vec!["1", "2", "3", "4", "5", "6"], "123456"),
        ] {
            let body = pieces(stream::iter(body));
            assert_eq!(collect(body, Limits::new(6)).await.unwrap(), whole);
        }
    }

    #[tokio::test]
    async fn a_body_that_grows_beyond_the_limit_is_refused_without_reading_the_rest() {
        let endless = pieces(stream::repeat("1234"));
        let refusal = collect(endless, Limits::new(10)).await.unwrap_err();
        assert_eq!(refusal.to_string(), "the request body is larger than 10 bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_is_given_up() {
        let silent = pieces(stream::iter(["1"]).chain(stream::pending()));
        let refusal = collect(silent, Limits::new(10)).await.unwrap_err();
        assert_eq!(refusal.to_string(), "the request body did not come within 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_for_ever_is_given_up() {
        let slow = stream::repeat("1").then(|piece| async move {
            time::sleep(Duration::from_secs(20)).await;
            piece
        });
        let refusal = collect(pieces(slow), Limits::new(1000)).await.unwrap_err();
        assert_eq!(refusal.to_string(), "the request body did not come within 120 s");
    }

    #[tokio::test]
    async fn an_announced_length_beyond_the_limit_is_refused_at_once() {
        let inner = tower::service_fn(|req: Request<Limited<Full<Bytes>>>| async move {
            req.into_body().collect().await
        });
        let stack = BodyLimitLayer::new(Limits::new(4)).layer(inner);
        for (announced, passes) in [("4", true), ("5", false), ("99999999999999999999", true)] {
            let request = Request::post("/").header(CONTENT_LENGTH, announced);
            let request = request.body(Full::new(Bytes::from("1234"))).unwrap();
            assert_eq!(stack.oneshot(request).await.is_ok(), passes, "{announced}");
        }
    }
}
