//! A stream ends when the proof of whoever reads it does, and says so.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::{self, Sleep};

use super::mcp::RETRY;
use crate::call::Principal;
use crate::mcp::sse;

/// The last message of a stream that nobody's call belongs to.
const NOTICE: &[u8] = concat!(
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","#,
    r#""logger":"portcullis","data":"the access token has expired; connect again with a new one"}}"#,
)
.as_bytes();

/// The end of the time for which somebody may read a stream. For most it has none, and no timer.
#[derive(Debug, Default)]
pub(super) struct Expiry(Option<Pin<Box<Sleep>>>);

impl Expiry {
    /// For a stream that opens now: so long after the proof has ceased to hold.
    pub(super) fn of(principal: &Principal, grace: Duration) -> Self {
        let end = principal.expires.and_then(|expires| expires.checked_add(grace));
        Self(end.map(|end| {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            Box::pin(time::sleep(left))
        }))
    }

    /// Whether it has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
    }

    /// Waits until it has come.
    pub(super) async fn passed(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// What the client is told on a stream of its own, as a message.
pub(super) fn notice() -> Bytes {
    Bytes::from_static(NOTICE)
}

/// The same as the last frame: without an id, so that the client comes back to what it has heard
/// before, and with the time to wait until then.
pub(super) fn farewell() -> Bytes {
    [&*sse::encode(NOTICE, None), RETRY].concat().into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn expiring(expires: Option<SystemTime>) -> Expiry {
        Expiry::of(&Principal { expires, ..Principal::anonymous() }, GRACE)
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_when_the_grace_is_over_and_not_before() {
        let minute = Duration::from_mins(1);
        for (name, expires, after) in [
            ("to come", SystemTime::now() + minute, minute + GRACE),
            ("just over", SystemTime::now(), GRACE),
            ("long over", SystemTime::now() - minute, Duration::ZERO),
        ] {
            let begun = Instant::now();
            expiring(Some(expires)).passed().await;
            let late = after.abs_diff(begun.elapsed());
            assert!(late < Duration::from_secs(5), "{name}: {:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_proved_something_for_ever_may_read_for_ever() {
        let mut expiry = expiring(None);
        assert!(expiry.0.is_none(), "there is no timer");
        assert!(expiry.passed().now_or_never().is_none());
        let end_of_time = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64 / 2);
        assert!(expiring(Some(end_of_time)).passed().now_or_never().is_none());
    }

    #[test]
    fn the_last_frame_says_why_and_when_to_come_back() {
        let frame = farewell();
        let text = std::str::from_utf8(&frame).unwrap();
        let (event, retry) = text.split_once("\n\n").unwrap();
        assert_eq!(retry, "retry: 1000\n\n");
        let message: serde_json::Value =
            serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(message["method"], "notifications/message");
        assert_eq!(message["params"]["level"], "warning");
    }
}
