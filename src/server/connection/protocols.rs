//! The protocols as hyper speaks them, within limits.

use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio_util::task::TaskTracker;

use crate::server::head_timer::HeadTimer;

/// How long a later request's head may take. hyper counts the idle time before it as well, and
/// clients keep idle connections for a minute and more, so this is longer than the first.
pub(super) const NEXT_REQUEST_TIMEOUT: Duration = Duration::from_secs(100);
/// All headers of a request together; more is 431. So are more lines than 100, hyper's own limit: to
/// set it would have hyper fill two lists for each request.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
const MAX_HTTP2_STREAMS: u32 = 256;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/1.1 alone.
pub(super) fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::new(NEXT_REQUEST_TIMEOUT))
        .header_read_timeout(NEXT_REQUEST_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES as usize)
        // hyper's buffer can be larger than asked for, and a head that is read in one go then too.
        .max_header_size(MAX_HEADER_BYTES as usize)
        .pipeline_flush(false);
    builder
}

/// HTTP/1.1 or HTTP/2, whichever it turns out to be.
pub(super) fn either(tasks: TaskTracker) -> auto::Builder<Tracked> {
    let mut builder = auto::Builder::new(Tracked(tasks));
    builder
        .http1()
        .timer(HeadTimer::new(NEXT_REQUEST_TIMEOUT))
        .header_read_timeout(NEXT_REQUEST_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES as usize)
        .pipeline_flush(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_HTTP2_STREAMS);
    builder
}

/// Runs the streams of HTTP/2 connections as tasks that somebody waits for.
#[derive(Clone)]
pub(super) struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
