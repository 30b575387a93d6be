//! What operators see of authentication: how often it comes out which way, and a line about each
//! request that goes no further.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::display;
use tracing::{debug, info};

use crate::authn::Refusal;
use crate::call::{Principal, PrincipalKind};
use crate::layers::rate::{Limiter, Rate};
use crate::observe::metrics::authenticated;

/// Somebody who fails on purpose must not fill a disk, nor drown the others in the log.
const LINES_PER_SECOND: f64 = 1.0;
const LINES_AT_ONCE: u32 = 10;

/// The issuer of a proof that names none of ours.
const UNKNOWN: &str = "unknown";

/// Counts and logs. Nothing of what came with a request is in either.
#[derive(Debug)]
pub(super) struct Report {
    lines: Limiter<()>,
    untold: AtomicU64,
}

impl Report {
    pub(super) fn new() -> Self {
        let burst = NonZeroU32::new(LINES_AT_ONCE).expect("it is not zero");
        Self { lines: Limiter::new(Rate::new(LINES_PER_SECOND, burst)), untold: AtomicU64::new(0) }
    }

    /// Somebody is let in. Nobody has asked an anonymous one anything.
    pub(super) fn admitted(principal: &Principal) {
        if principal.kind != PrincipalKind::Anonymous {
            authenticated("ok", &principal.issuer);
        }
    }

    /// A request goes no further.
    pub(super) fn refused(&self, refusal: &Refusal, address: Option<IpAddr>) {
        let (reason, issuer) = (refusal.reason(), refusal.issuer().map_or(UNKNOWN, |it| it));
        authenticated(reason, issuer);
        if let Refusal::Missing(_) = refusal {
            // How every client begins that has still to learn where to get a token.
            debug!(reason, client = address.map(display), "a request has no credentials");
        } else {
            self.tell(reason, issuer, address);
        }
    }

    /// A request is not even looked at: too many before it were wrong.
    pub(super) fn limited(&self, address: Option<IpAddr>) {
        authenticated("limited", UNKNOWN);
        self.tell("limited", UNKNOWN, address);
    }

    fn tell(&self, reason: &'static str, issuer: &str, address: Option<IpAddr>) {
        if self.lines.take(&(), NonZeroU32::MIN).is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let untold = Some(self.untold.swap(0, Ordering::Relaxed)).filter(|untold| *untold > 0);
        let client = address.map(display);
        info!(reason, issuer, client, suppressed = untold, "a request is not authenticated");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::time::advance;

    use super::*;
    use crate::authn::Fault;

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

    impl Lines {
        /// Those at `info` and above since the last time.
        fn take(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
            text.lines().map(str::to_owned).collect()
        }

        fn listen(&self) -> tracing::subscriber::DefaultGuard {
            let writer = self.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::set_default(subscriber)
        }
    }

    fn wrong() -> Refusal {
        let issuer = "https://login.example".into();
        Refusal::Invalid(Fault::new("audience", "it is for somebody else").of(&issuer))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_leaves_one_line_with_reason_issuer_and_address() {
        let (lines, report) = (Lines::default(), Report::new());
        let _listening = lines.listen();
        report.refused(&wrong(), Some([192, 0, 2, 1].into()));
        report.refused(&Refusal::Missing("send one"), Some([192, 0, 2, 1].into()));
        report.limited(None);
        let [wrong, limited] = &lines.take()[..] else { panic!("two lines") };
        for part in ["reason=\"audience\"", "issuer=\"https://login.example\"", "client=192.0.2.1"]
        {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        assert!(wrong.contains("INFO") && !wrong.contains("suppressed"), "{wrong}");
        assert!(limited.contains("reason=\"limited\" issuer=\"unknown\""), "{limited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_refusals_leaves_few_lines_and_says_how_many_there_are_not() {
        let (lines, report) = (Lines::default(), Report::new());
        let _listening = lines.listen();
        for _ in 0..500 {
            report.refused(&wrong(), None);
        }
        assert_eq!(lines.take().len(), 10);
        for suppressed in [Some("suppressed=490"), None] {
            advance(Duration::from_secs(1)).await;
            report.refused(&wrong(), None);
            let [line] = &lines.take()[..] else { panic!("one line") };
            let told = line.split(' ').find(|word| word.starts_with("suppressed"));
            assert_eq!(told, suppressed, "{line}");
        }
    }
}
