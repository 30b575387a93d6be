//! The gateway as the child of its one client: it serves standard input and output.

use std::time::Duration;

use tokio::io;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stack::Parts;
use crate::routes;
use crate::server::Shutdown;

/// How long the client has, once work was told to stop, to read our last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves the client until it has left or we are told to stop. Whichever of the two comes first,
/// calls under way have `drain` from then on.
pub(super) async fn serve(parts: Parts, max_line: usize, drain: Duration, shutdown: &Shutdown) {
    let (tasks, has_ended) = (TaskTracker::new(), CancellationToken::new());
    let mcp = parts.mcp(&tasks);
    let serving = routes::stdio::serve(mcp, io::stdin(), io::stdout(), max_line, has_ended.clone());
    let patience = async {
        tokio::select! {
            () = has_ended.cancelled() => {}
            () = shutdown.draining().cancelled() => {}
        }
        tokio::select! {
            () = time::sleep(drain) => {}
            () = shutdown.stopping().cancelled() => {}
        }
        shutdown.stop();
        time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = serving => {}
        () = patience => {}
    }
}
