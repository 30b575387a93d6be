//! An HTTP/1.1 connection, driven by whoever waits for something on it.

use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::task::coop;

use super::connect::Open;

/// A request that was not sent, or nobody knows.
pub(super) type Unsent = TrySendError<Request<Full<Bytes>>>;

/// A connection that serves one request at a time.
///
/// A task of its own would be woken for each piece that arrives, only to wake whoever waits for the
/// piece. So who waits drives, and an idle connection is looked at when it is to be used.
pub(super) struct Http1 {
    // Before the driver, which closes the connection when this is gone.
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    _open: Open,
}

impl Http1 {
    pub(super) fn new(
        sender: SendRequest<Full<Bytes>>,
        driver: impl Future<Output = hyper::Result<()>> + Send + 'static,
    ) -> Self {
        Self { sender, driver: Driver(Some(Box::pin(driver))), _open: Open::new() }
    }

    /// Whether it can take a request.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether its end has been noticed.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Takes note of what has happened to it.
    pub(super) fn look(&mut self) {
        self.driver.drive(&mut quiet());
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// With the request, if nothing of it was written.
    pub(super) async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unsent> {
        let Self { sender, driver, .. } = self;
        let mut response = pin!(sender.try_send_request(request));
        let mut come = || response.as_mut().poll(&mut quiet());
        let mut is_sent = false;
        poll_fn(|cx| match mem::replace(&mut is_sent, true) {
            false => driver.wait(cx, &mut come),
            true => driver.poll(cx, &mut come),
        })
        .await
    }

    /// What comes next of a body that comes on this connection.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.driver.poll(cx, &mut || Pin::new(&mut *body).poll_frame(&mut quiet()))
    }
}

/// What reads from the socket and writes to it; `None` once it has ended.
struct Driver(Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>);

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.0
            && let Poll::Ready(end) = driver.as_mut().poll(cx)
        {
            self.0 = None;
            if let Err(error) = end {
                tracing::debug!(%error, "a connection to a backend ended");
            }
        }
    }

    /// Polls for what comes from this connection, and drives it on if nothing has.
    fn poll<T>(&mut self, cx: &mut Context<'_>, come: &mut impl FnMut() -> Poll<T>) -> Poll<T> {
        if let Poll::Ready(came) = come() {
            return Poll::Ready(came);
        }
        self.drive(&mut quiet());
        self.wait(cx, come)
    }

    /// The same when the socket is to wake us unless something has come.
    fn wait<T>(&mut self, cx: &mut Context<'_>, come: &mut impl FnMut() -> Poll<T>) -> Poll<T> {
        if let Poll::Ready(came) = come() {
            return Poll::Ready(came);
        }
        self.drive(cx);
        let came = come();
        // Who has had its turn is told to come back, but nobody hears what is told to `quiet`.
        if came.is_pending() && !coop::has_budget_remaining() {
            cx.waker().wake_by_ref();
        }
        came
    }
}

impl Drop for Driver {
    /// The last words on a connection: by now nobody can send, and the driver closes it properly.
    fn drop(&mut self) {
        self.drive(&mut quiet());
    }
}

/// Wakes nobody. What comes from a connection can come from its driver alone, which is polled right
/// here: to be woken for it would only mean to look once more.
fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
