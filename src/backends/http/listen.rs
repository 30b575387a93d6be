//! GET: the stream of what belongs to no call, and streams taken up again.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::{self, Instant};

use super::connection::Connection;
use super::session::Session;
use crate::backends::remote::{Cursor, Media, Messages, Refusal, media};
use crate::call::Error;
use crate::mcp::header::LAST_EVENT_ID;
use crate::outbound::Client;

/// How long to wait before a stream is taken up, if the server does not say.
const RETRY: Duration = Duration::from_secs(1);
/// The least of it, also if the server says less.
const RETRY_AT_LEAST: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to listen.
const RETRY_AT_MOST: Duration = Duration::from_mins(1);
/// How often a call's stream is tried to be taken up before it is given up: somebody waits for it.
const RESUME_ATTEMPTS: u32 = 3;
/// A stream that lasted this long was a good one.
const LASTING: Duration = Duration::from_secs(10);

/// What a GET brought.
enum Got {
    Stream(Box<Messages>),
    /// The server has no such stream, and will not have one later.
    Refused(Refusal),
    /// Not now.
    Failed(String),
}

impl Connection {
    /// Listens in the background to what belongs to no call, until the session ends.
    pub(super) fn listen(self: &Arc<Self>, session: Arc<Session>) {
        let connection = Arc::clone(self);
        self.background.spawn(async move {
            let ended = session.ended.clone();
            ended.run_until_cancelled(connection.listen_to(session)).await;
        });
    }

    async fn listen_to(self: Arc<Self>, session: Arc<Session>) {
        let backend = &self.endpoint.config.name;
        let (mut cursor, mut failures, mut has_listened) = (Cursor::default(), 0, false);
        loop {
            let began = Instant::now();
            match self.get(&self.endpoint.client, &session, &cursor).await {
                Got::Stream(mut messages) => {
                    has_listened = true;
                    let mut has_heard = false;
                    while let Ok(Some(message)) = messages.next().await {
                        has_heard = true;
                        self.take_unsolicited(message);
                    }
                    cursor = messages.cursor;
                    if has_heard || began.elapsed() >= LASTING {
                        failures = 0;
                    }
                    tracing::debug!(%backend, "the GET stream ended; opening it again");
                }
                Got::Refused(refusal) => {
                    let status = refusal.status.as_u16();
                    if !has_listened || session.id.is_none() {
                        tracing::debug!(%backend, status, "the server has no GET stream");
                        return;
                    }
                    if !refusal.may_be_session_loss(u64::MAX) {
                        tracing::warn!(%backend, status, "the GET stream cannot be opened again");
                        return;
                    }
                    // The server was restarted; whoever renews the session also listens to it.
                    if self.renew(session.generation).await.is_ok() {
                        return;
                    }
                }
                Got::Failed(reason) => tracing::debug!(%backend, reason, "no GET stream yet"),
            }
            time::sleep(pause(cursor.retry, failures)).await;
            failures += 1;
        }
    }

    async fn get(&self, client: &Client, session: &Session, cursor: &Cursor) -> Got {
        let mut headers = session.get.clone();
        if let Some(id) = &cursor.last_event_id {
            headers.insert(LAST_EVENT_ID, id.clone());
        }
        let head = self.endpoint.head(Method::GET, headers);
        let response = match self.endpoint.send(client, &head, Bytes::new()).await {
            Ok(response) => response,
            Err(error) => return Got::Failed(error.chain()),
        };
        let status = response.status();
        if status.is_success() && media(response.headers()) == Media::EventStream {
            let body = response.into_body();
            let messages = Messages::new(body, cursor.clone(), self.endpoint.name());
            return Got::Stream(Box::new(messages));
        }
        // 409: the previous stream has not been noticed to be over yet.
        let is_transient = matches!(
            status,
            StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
        if is_transient || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED) {
            return Got::Failed(format!("HTTP {}", status.as_u16()));
        }
        Got::Refused(Refusal::read(response).await)
    }
}

/// Takes a call's stream up behind the last event that came, when the server wants it.
///
/// A server may close a stream on purpose and have the client come back for the rest (MCP
/// 2025-11-25, Streamable HTTP): that is no failure, however often it happens. The call's own time
/// bounds it.
pub(super) async fn resume(
    connection: &Connection,
    client: &Client,
    cursor: Cursor,
) -> Result<Box<Messages>, Error> {
    let session = connection.session.load_full();
    let mut reason = String::new();
    for failures in 0..RESUME_ATTEMPTS {
        time::sleep(resume_pause(cursor.retry, failures)).await;
        match connection.get(client, &session, &cursor).await {
            Got::Stream(messages) => return Ok(messages),
            Got::Refused(refusal) => {
                reason = format!("HTTP {} {}", refusal.status.as_u16(), refusal.text());
                break;
            }
            Got::Failed(why) => reason = why,
        }
    }
    let reason = reason.trim_end();
    Err(connection.endpoint.lost(format!("its event stream ended and cannot be resumed: {reason}")))
}

/// Never less than the server asks for, but only our own pause grows: a server that is gone and once
/// asked for seconds must not keep a caller waiting for minutes.
fn resume_pause(retry: Option<Duration>, failures: u32) -> Duration {
    match failures {
        0 => pause(retry, 0),
        _ => pause(None, failures).max(retry.unwrap_or_default()),
    }
}

/// What the server asks for, or a second; twice as long after each failure, with some jitter so
/// that not everybody comes back at once.
fn pause(retry: Option<Duration>, failures: u32) -> Duration {
    let base = retry.unwrap_or(RETRY).max(RETRY_AT_LEAST);
    if failures == 0 {
        return base;
    }
    let longest = RETRY_AT_MOST.max(base);
    let pause = base.saturating_mul(1 << failures.min(10)).min(longest);
    let jitter = u32::try_from(RandomState::new().hash_one(failures) % 256).unwrap_or(0);
    pause + pause / 1024 * jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_waits_for_seconds_only_until_a_stream_is_given_up() {
        for (wish, first, most) in
            [(None, 1000, 9000), (Some(300), 300, 9000), (Some(3000), 3000, 12_000)]
        {
            let wish = wish.map(Duration::from_millis);
            let pauses: Vec<_> = (0..RESUME_ATTEMPTS).map(|n| resume_pause(wish, n)).collect();
            assert_eq!(pauses[0], Duration::from_millis(first));
            assert!(pauses.iter().sum::<Duration>() <= Duration::from_millis(most), "{pauses:?}");
            assert!(pauses.iter().all(|pause| Some(*pause) >= wish), "{pauses:?}");
        }
    }

    #[test]
    fn a_server_s_wish_is_honoured_and_failures_slow_us_down() {
        let wish = Duration::from_millis(300);
        assert_eq!(pause(Some(wish), 0), wish);
        assert_eq!(pause(None, 0), RETRY);
        assert_eq!(pause(Some(Duration::ZERO), 0), RETRY_AT_LEAST);
        assert!(pause(Some(wish), 1) >= wish * 2);
        for failures in 0..100 {
            assert!(pause(None, failures) <= RETRY_AT_MOST * 5 / 4);
        }
    }
}
