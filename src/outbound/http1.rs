//! An HTTP/1.1 connection, driven by whoever waits for something on it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;

use super::connect::Open;

/// How often a driver has its turn before others have theirs: sooner or later it has to stop for
/// the runtime's sake.
const TURNS: usize = 4;

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
        Self { sender, driver: Driver::new(driver), _open: Open::new() }
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
        self.driver.drive();
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
        driver.bell.has_rung.store(true, Ordering::Release); // there is something to write
        poll_fn(|cx| driver.poll(cx, |cx| response.as_mut().poll(cx))).await
    }

    /// What comes next of a body that comes on this connection.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.driver.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx))
    }
}

/// What reads from the socket and writes to it.
struct Driver {
    /// `None` once it has ended.
    future: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Rings when there may be something to do for a driver.
///
/// Much of that comes from who waits, who is about to look in any case: only while they wait are
/// they woken.
#[derive(Default)]
struct Bell {
    has_rung: AtomicBool,
    waiting: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

impl Driver {
    fn new(future: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(Arc::clone(&bell));
        Self { future: Some(Box::pin(future)), bell, waker }
    }

    fn drive(&mut self) {
        let cx = &mut Context::from_waker(&self.waker);
        if let Some(future) = &mut self.future
            && let Poll::Ready(end) = future.as_mut().poll(cx)
        {
            self.future = None;
            if let Err(error) = end {
                tracing::debug!(%error, "a connection to a backend ended");
            }
        }
    }

    /// Polls for what comes from this connection, and drives it on as long as nothing has.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut come: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = self.waker.clone();
        let inner = &mut Context::from_waker(&waker);
        self.bell.waiting.take();
        for _ in 0..TURNS {
            if let Poll::Ready(came) = come(inner) {
                return Poll::Ready(came);
            }
            if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
                break;
            }
            self.drive();
        }
        self.bell.waiting.register(cx.waker());
        // It may have rung while nobody was registered, or not stopped ringing.
        if self.bell.has_rung.load(Ordering::Acquire) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    /// The last words on a connection: by now nobody can send, and the driver closes it properly.
    fn drop(&mut self) {
        self.drive();
    }
}
