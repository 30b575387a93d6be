//! One line and two metrics for each call, written when its reply ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::call::{Call, Error, Notes, Outcome, Reply, SessionId};
use crate::mcp::Method;

/// Where records go.
pub trait Recorder: Clone + Send + 'static {
    /// Takes the record of a call that has ended.
    fn record(&self, record: &Record);
}

/// What is known of a call when it has ended.
#[derive(Debug)]
pub struct Record {
    /// Its method.
    pub method: Method,
    /// What it named, and whose it was.
    pub notes: Arc<Notes>,
    /// The session it came in.
    pub session: Option<SessionId>,
    /// When it came.
    pub started: Instant,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there was no reply.
    pub error: Option<String>,
}

/// Puts [`Recorded`] in front of a service.
#[derive(Clone, Debug)]
pub struct RecordLayer<R>(R);

impl<R> RecordLayer<R> {
    /// A layer that writes to `recorder`.
    pub fn new(recorder: R) -> Self {
        Self(recorder)
    }
}

impl<S, R: Clone> Layer<S> for RecordLayer<R> {
    type Service = Recorded<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Recorded { recorder: self.0.clone(), inner }
    }
}

/// Records every call, also one that is refused or given up.
#[derive(Clone, Debug)]
pub struct Recorded<S, R> {
    recorder: R,
    inner: S,
}

impl<S, R> Service<Call> for Recorded<S, R>
where
    S: Service<Call, Response = Reply, Error = Error>,
    R: Recorder,
{
    type Response = Reply;
    type Error = Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let record = Record {
            method: call.request.method(),
            notes: Arc::clone(&call.notes),
            session: call.client.session,
            started: Instant::now(),
            // What a future that is dropped before it has a reply comes to.
            outcome: Outcome::Cancelled,
            error: None,
        };
        let pending = Pending { record: Some(record), recorder: self.recorder.clone() };
        ResponseFuture { inner: self.inner.call(call), pending }
    }
}

/// How much of an error a record keeps: some repeat a name that a client made up.
const MAX_ERROR_CHARS: usize = 500;

fn excerpt(error: &str) -> String {
    match error.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => format!("{}…", &error[..end]),
        None => error.to_owned(),
    }
}

pin_project! {
    /// Hands the record over to the reply, which writes it at its end.
    pub struct ResponseFuture<F, R>
    where
        R: Recorder,
    {
        #[pin]
        inner: F,
        pending: Pending<R>,
    }
}

/// A record that is written when it is dropped, unless a reply took it over.
struct Pending<R: Recorder> {
    record: Option<Record>,
    recorder: R,
}

impl<R: Recorder> Drop for Pending<R> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.recorder.record(&record);
        }
    }
}

impl<F, R> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Reply, Error>>,
    R: Recorder,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        let Some(mut record) = this.pending.record.take() else { return Poll::Ready(result) };
        match &mut result {
            Ok(reply) => {
                let recorder = this.pending.recorder.clone();
                reply.on_end(move |outcome| {
                    record.outcome = outcome;
                    record.error = record.notes.error.get().map(|error| excerpt(error));
                    recorder.record(&record);
                });
            }
            Err(error) => {
                record.outcome = error.outcome();
                record.error = Some(excerpt(&error.to_string()));
                this.pending.recorder.record(&record);
            }
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parking_lot::Mutex;
    use tower::service_fn;

    use super::*;
    use crate::call::Response;
    use crate::call::tests::list_tools;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Ended>>>);

    type Ended = (Outcome, Option<String>);

    impl Recorder for Kept {
        fn record(&self, record: &Record) {
            self.0.lock().push((record.outcome, record.error.clone()));
        }
    }

    #[tokio::test]
    async fn a_call_is_recorded_when_its_reply_ends_and_not_when_it_begins() {
        let kept = Kept::default();
        let inner = service_fn(async |_: Call| {
            Ok::<_, Error>(Reply::message(Response::ok(Bytes::from_static(b"{}"))))
        });
        let mut service = RecordLayer::new(kept.clone()).layer(inner);
        let reply = service.call(list_tools()).await.unwrap();
        assert!(kept.0.lock().is_empty());
        drop(reply.into_body());
        assert_eq!(*kept.0.lock(), [(Outcome::Ok, None)]);
    }

    #[tokio::test]
    async fn a_refused_call_is_recorded_with_its_error() {
        let kept = Kept::default();
        let inner = service_fn(async |_: Call| Err::<Reply, _>(Error::Denied("no".into())));
        let mut service = RecordLayer::new(kept.clone()).layer(inner);
        assert!(service.call(list_tools()).await.is_err());
        assert_eq!(*kept.0.lock(), [(Outcome::Denied, Some("no".to_owned()))]);
    }

    #[test]
    fn a_name_that_a_client_made_up_does_not_fill_the_log() {
        let error = Error::UnknownTool("é".repeat(1 << 20).into());
        assert_eq!(excerpt(&error.to_string()).chars().count(), MAX_ERROR_CHARS + 1);
        assert_eq!(excerpt("short"), "short");
    }

    #[tokio::test]
    async fn a_call_given_up_before_its_reply_is_recorded_as_cancelled() {
        let kept = Kept::default();
        let inner = service_fn(async |_: Call| {
            std::future::pending::<()>().await;
            Err::<Reply, _>(Error::Cancelled)
        });
        let mut service = RecordLayer::new(kept.clone()).layer(inner);
        drop(service.call(list_tools()));
        assert_eq!(*kept.0.lock(), [(Outcome::Cancelled, None)]);
    }
}
