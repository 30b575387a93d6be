//! One thread with a runtime and a service of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tokio_util::task::TaskTracker;

use super::connection::{self, End, HttpService, Stages};
use super::serve::Options;
use super::tls::Acceptor;

/// Sockets that wait for one worker. When all queues are full, the acceptor waits.
const QUEUE_CAPACITY: usize = 128;
/// How long tasks have to notice that they are aborted, before they are dropped where they stand.
const ABORT_GRACE: Duration = Duration::from_millis(500);

/// What a worker's service is built for.
#[derive(Debug)]
pub struct Worker {
    index: usize,
    tasks: TaskTracker,
}

impl Worker {
    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where its service spawns what runs beside requests. After the last connection and the
    /// service are gone the worker waits for these tasks, at most until the grace of the drain ends.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}

/// A socket on its way to a worker, known to no runtime.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    /// What its connection is secured with, by the worker.
    pub(super) tls: Option<Acceptor>,
}

/// The acceptor's side of a worker.
pub(super) struct Handle {
    /// Its queue.
    pub(super) sockets: mpsc::Sender<Accepted>,
    /// Connections it has, those in the queue included.
    pub(super) open: Arc<AtomicUsize>,
    /// Resolves when it has nothing left to do.
    pub(super) done: oneshot::Receiver<()>,
    /// Ends right after.
    pub(super) thread: thread::JoinHandle<()>,
}

/// Starts a worker; `cut` counts the connections that did not end by themselves.
pub(super) fn start<F, S>(
    index: usize,
    options: Options,
    factory: Arc<F>,
    stages: Stages,
    cut: Arc<AtomicUsize>,
) -> io::Result<(Handle, oneshot::Receiver<()>)>
where
    F: Fn(&Worker) -> S + Send + Sync + 'static,
    S: HttpService,
{
    let before_waiting = options.before_waiting;
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().on_thread_park(before_waiting).build()?;
    let (sockets, queue) = mpsc::channel(QUEUE_CAPACITY);
    let (started, has_started) = oneshot::channel();
    let (finished, done) = oneshot::channel();
    let open = Arc::new(AtomicUsize::new(0));
    let load = open.clone();
    let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let worker = Worker { index, tasks: TaskTracker::new() };
        run(&runtime, &worker, &*factory, started, queue, &stages, &load, &cut);
        // Not a drop, which would wait for blocking work that nobody needs any more.
        runtime.shutdown_background();
        before_waiting();
        let _ = finished.send(());
    })?;
    Ok((Handle { sockets, open, done, thread }, has_started))
}

#[expect(clippy::too_many_arguments, reason = "what a thread gets, moved in once")]
fn run<S: HttpService>(
    runtime: &Runtime,
    worker: &Worker,
    factory: &dyn Fn(&Worker) -> S,
    started: oneshot::Sender<()>,
    mut queue: mpsc::Receiver<Accepted>,
    stages: &Stages,
    load: &Arc<AtomicUsize>,
    cut: &Arc<AtomicUsize>,
) {
    runtime.block_on(async {
        let service = factory(worker);
        let _ = started.send(());
        let connections = TaskTracker::new();
        while let Some(Accepted { socket, peer, tls }) = queue.recv().await {
            let (load, cut) = (load.clone(), cut.clone());
            let Ok(socket) = tokio::net::TcpStream::from_std(socket) else {
                load.fetch_sub(1, Ordering::Relaxed);
                continue;
            };
            let served = connection::serve(
                socket,
                peer,
                tls,
                service.clone(),
                connections.clone(),
                stages.clone(),
            );
            connections.spawn(async move {
                if served.await == End::Cut {
                    cut.fetch_add(1, Ordering::Relaxed);
                }
                load.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let finish = async {
            connections.close();
            connections.wait().await;
            // With the service its connections to backends go, and their tasks with these.
            drop(service);
            worker.tasks.close();
            worker.tasks.wait().await;
        };
        let patience = async {
            stages.abort.cancelled().await;
            time::sleep(ABORT_GRACE).await;
        };
        tokio::select! {
            () = finish => {}
            () = patience => {}
        }
    });
}
