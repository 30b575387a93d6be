//! The acceptor, and the end of everything it started.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::accept::accept;
use super::connection::{HttpService, Stages};
use super::tls::Acceptor;
use super::worker::{self, Accepted, Handle, Worker};
use super::{Listeners, Shutdown};

/// How long connections have, once work was told to stop, to send their last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that serve connections.
    pub workers: NonZeroUsize,
    /// How long requests under way may take once the process drains.
    pub drain: Duration,
    /// What a worker does each time before it waits, and before it ends.
    pub before_waiting: fn(),
}

impl Default for Options {
    /// One worker per core, 30 s to drain, and nothing to do before waiting.
    fn default() -> Self {
        let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { workers, drain: Duration::from_secs(30), before_waiting: || {} }
    }
}

/// What came of the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut with work under way.
    pub cut: usize,
}

/// Serves until `shutdown` drains, then lets what is under way finish.
///
/// `factory` builds one service per worker, on the worker's thread and inside its runtime.
/// When the drain's grace is over, `shutdown` is told to stop, and what then does not end is cut.
///
/// # Errors
/// When a worker cannot be started.
pub async fn serve<F, S>(
    listeners: Listeners,
    options: Options,
    shutdown: &Shutdown,
    factory: F,
) -> io::Result<Drained>
where
    F: Fn(&Worker) -> S + Send + Sync + 'static,
    S: HttpService,
{
    let (factory, cut) = (Arc::new(factory), Arc::new(AtomicUsize::new(0)));
    let (draining, abort) = (shutdown.draining().child_token(), CancellationToken::new());
    // If this future is dropped, nothing that it started stays behind.
    let _on_drop = (draining.clone().drop_guard(), abort.clone().drop_guard());
    let mut workers = Vec::with_capacity(options.workers.get());
    for index in 0..options.workers.get() {
        // Tokens of its own: the lock inside of one is then never contended.
        let stages = Stages { draining: draining.child_token(), abort: abort.child_token() };
        let (handle, started) =
            worker::start(index, options, factory.clone(), stages, cut.clone())?;
        let failed = |_| io::Error::other(format!("worker {index} failed to build its service"));
        started.await.map_err(failed)?;
        workers.push(handle);
    }
    let (sockets, tls) = listeners.into_parts();
    let dealer = Dealer { workers, next: AtomicUsize::new(0), tls };
    let accepting = join_all(sockets.into_iter().map(|socket| dealer.deal_from(socket)));
    // The listeners go with the future: nobody new gets in.
    let _: Option<Vec<()>> = shutdown.draining().run_until_cancelled(accepting).await;
    end(dealer.workers, options.drain, shutdown, &abort).await;
    Ok(Drained { cut: cut.load(Ordering::Relaxed) })
}

/// Waits for all workers, with less and less patience.
async fn end(
    workers: Vec<Handle>,
    grace: Duration,
    shutdown: &Shutdown,
    abort: &CancellationToken,
) {
    let (mut done, mut threads) = (Vec::new(), Vec::new());
    for Handle { sockets, done: worker_done, thread, .. } in workers {
        drop(sockets); // a closed queue tells the worker that no connection will follow
        done.push(worker_done);
        threads.push(thread);
    }
    let mut all_done = join_all(done);
    let patience = async {
        tokio::select! {
            () = time::sleep(grace) => {}
            () = shutdown.stopping().cancelled() => {}
        }
    };
    tokio::select! {
        _ = &mut all_done => {}
        () = patience => {
            shutdown.stop();
            if time::timeout(LAST_WORDS, &mut all_done).await.is_err() {
                abort.cancel();
                all_done.await;
            }
        }
    }
    for thread in threads {
        // It has nothing left to do but to end.
        let _ = thread.join();
    }
}

/// Hands sockets to workers.
struct Dealer {
    workers: Vec<Handle>,
    next: AtomicUsize,
    tls: Option<Acceptor>,
}

impl Dealer {
    async fn deal_from(&self, listener: TcpListener) {
        loop {
            let (socket, peer) = accept(&listener).await;
            // A worker's own runtime has to know it, not ours.
            match socket.into_std() {
                Ok(socket) => self.deal(Accepted { socket, peer, tls: self.tls.clone() }).await,
                Err(error) => tracing::warn!(%error, "cannot hand a connection to a worker"),
            }
        }
    }

    /// Gives the socket to the worker with the fewest connections whose queue has room; waits if
    /// all are full, which leaves further clients in the kernel's queue.
    async fn deal(&self, mut accepted: Accepted) {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.workers.len();
        let mut order: Vec<_> =
            (0..count).map(|offset| &self.workers[(first + offset) % count]).collect();
        // Stable, so that equals take turns.
        order.sort_by_key(|worker| worker.open.load(Ordering::Relaxed));
        for worker in &order {
            worker.open.fetch_add(1, Ordering::Relaxed);
            match worker.sockets.try_send(accepted) {
                Ok(()) => return,
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => accepted = back,
            }
            worker.open.fetch_sub(1, Ordering::Relaxed);
        }
        let worker = order[0];
        worker.open.fetch_add(1, Ordering::Relaxed);
        if worker.sockets.send(accepted).await.is_err() {
            worker.open.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("a worker is gone");
        }
    }
}
