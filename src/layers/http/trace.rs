//! A span around each request, so that whatever is logged below can be told apart.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::{Span, debug, debug_span};

use super::client_address::ClientAddress;
use super::request_id::RequestId;

/// Opens a span at `debug`; at less talkative levels a request costs one comparison.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer {
    route: fn(&str) -> &'static str,
}

impl TraceLayer {
    /// `route` names the group of routes that a path belongs to: a path may hold anything.
    pub fn new(route: fn(&str) -> &'static str) -> Self {
        Self { route }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, route: self.route }
    }
}

/// See [`TraceLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Trace<S> {
    inner: S,
    route: fn(&str) -> &'static str,
}

impl<S> Trace<S> {
    fn span<B>(&self, req: &Request<B>) -> Span {
        // Evaluated only if the span is wanted.
        debug_span!(
            "request",
            request_id = req.extensions().get::<RequestId>().map(RequestId::as_str),
            client = ClientAddress::of(req).map(|client| display(client.address)),
            method = %req.method(),
            route = (self.route)(req.uri().path()),
        )
    }
}

impl<S, B, R> Service<Request<B>> for Trace<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let span = self.span(&req);
        let since = (!span.is_disabled()).then(Instant::now);
        let inner = span.in_scope(|| self.inner.call(req));
        ResponseFuture { span, since, inner }
    }
}

pin_project! {
    /// The inner response, in its span.
    pub struct ResponseFuture<F> {
        span: Span,
        // Nobody asks how long a request took that has no span.
        since: Option<Instant>,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let result = ready!(this.inner.poll(cx));
        if let (Ok(response), Some(since)) = (&result, this.since) {
            let (status, took) = (response.status().as_u16(), since.elapsed());
            debug!(status, duration_s = took.as_secs_f64(), "response");
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::sync::Arc;

    use futures_util::FutureExt;
    use parking_lot::Mutex;
    use tower::ServiceExt;
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LevelFilter) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let inner = tower::service_fn(|_: Request<()>| async {
                tracing::info!("at work");
                Ok::<_, Infallible>(Response::new(()))
            });
            let stack = TraceLayer::new(|_| "mcp").layer(inner);
            stack.oneshot(Request::new(())).now_or_never().unwrap().unwrap();
        });
        let text = lines.0.lock().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_logged_below_names_its_request() {
        let text = logged(LevelFilter::DEBUG);
        assert!(text.contains(r#"request{method=GET route="mcp"}: "#), "{text}");
        assert!(text.contains("at work") && text.contains("response status=200"), "{text}");
    }

    #[test]
    fn nothing_is_said_of_requests_unless_debugging() {
        let text = logged(LevelFilter::INFO);
        assert!(text.contains("at work") && !text.contains("request{"), "{text}");
    }
}
