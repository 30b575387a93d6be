//! A small service on a listener of its own, on the runtime of whoever asks.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Listeners;
use super::accept::accept;
use super::connection::{self, HttpService, Stages};

/// How long the last responses may take.
const GRACE: Duration = Duration::from_secs(1);

/// Serves on the current runtime until `stop` is cancelled: for metrics, not for calls.
pub async fn serve_simple<S: HttpService>(
    listeners: Listeners,
    service: S,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let stages = Stages { draining: stop.child_token(), abort: CancellationToken::new() };
    // If this future is dropped, nothing that it started stays behind.
    let _on_drop = (stages.draining.clone().drop_guard(), stages.abort.clone().drop_guard());
    let (sockets, tls) = listeners.into_parts();
    let accepting = join_all(sockets.into_iter().map(|listener| {
        let (tasks, stages, service, tls) = (&tasks, &stages, &service, &tls);
        async move {
            loop {
                let (socket, peer) = accept(&listener).await;
                let stages = stages.clone();
                tasks.spawn(connection::serve(
                    socket,
                    peer,
                    tls.clone(),
                    service.clone(),
                    tasks.clone(),
                    stages,
                ));
            }
        }
    }));
    let _: Option<Vec<()>> = stop.run_until_cancelled(accepting).await;
    tasks.close();
    if time::timeout(GRACE, tasks.wait()).await.is_err() {
        stages.abort.cancel();
        tasks.wait().await;
    }
}
