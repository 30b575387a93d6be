//! Shows a person how far it is.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use tokio::time::interval;

/// How often progress is shown.
const REFRESH: Duration = Duration::from_millis(250);

/// Waits for `work` and shows what `progress` says meanwhile, on a terminal.
pub(super) async fn shown<W: Future>(progress: impl Fn() -> String, work: W) -> W::Output {
    if !stderr().is_terminal() {
        return work.await;
    }
    let show = async {
        let mut refresh = interval(REFRESH);
        loop {
            refresh.tick().await;
            eprint!("\r{}\x1b[K\r", progress());
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = show => unreachable!("progress is shown until the end"),
    };
    eprint!("\r\x1b[K");
    done
}
