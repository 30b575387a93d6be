//! The life of one child: from its start until everybody knows that it is gone.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::timeout;
use tokio_util::codec::FramedRead;
use tokio_util::sync::CancellationToken;

use super::lines::{LineError, Lines, Overlong};
use super::process::{Grace, Process, ending};
use super::stderr::{LastLines, drain};
use super::writer::write;
use crate::backends::duplex::{Demux, Life, Wire};
use crate::backends::{self, Background, Config, OpenError, Unsolicited};
use crate::call::Error;

/// How long the output of a child that is gone may stay open: a grandchild outside of its group
/// can hold it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a server should do that writes what is no message.
const ADVICE: &str = "a server may write nothing else to its standard output";

/// Starts a child and the task that owns it.
pub(super) fn start(
    config: &Config,
    stdio: &backends::Stdio,
    background: &Background,
    wire: &Arc<Wire>,
    max_message_bytes: usize,
    inbox: mpsc::Sender<Unsolicited>,
) -> Result<Life, OpenError> {
    let (process, pipes) = Process::start(stdio, background)?;
    tracing::debug!(backend = %config.name, pid = process.id(), "started");
    let life = Life::default();
    let lines = Lines::new(max_message_bytes, Overlong::Fails);
    let child = Child {
        process,
        wire: Arc::clone(wire),
        demux: Demux::new(Arc::clone(wire), config.isolation, inbox, ADVICE),
        stdout: FramedRead::new(pipes.stdout, lines),
        last_lines: LastLines::default(),
    };
    let (closing, closed) = (life.closing.clone(), life.closed.clone().drop_guard());
    background.spawn(async move {
        child.live(pipes.stdin, pipes.stderr, closing).await;
        drop(closed);
    });
    Ok(life)
}

/// Reads until the output ends (`None`) or cannot be read any further.
///
/// # Cancel safety
/// Nothing is lost: what was read of a line stays in `lines`.
async fn read(demux: &mut Demux, lines: &mut FramedRead<ChildStdout, Lines>) -> Option<LineError> {
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => demux.take(&line),
            Err(error) => return Some(error),
        }
    }
    None
}

/// What the task owns.
struct Child {
    process: Process,
    wire: Arc<Wire>,
    demux: Demux,
    stdout: FramedRead<ChildStdout, Lines>,
    last_lines: LastLines,
}

/// What ended a connection first.
enum End {
    /// We closed it.
    Closed,
    /// The child is gone.
    Exited(io::Result<ExitStatus>),
    /// It closed a stream; most likely it is about to go.
    StreamClosed,
    /// It cannot be read any further.
    Unreadable(LineError),
}

impl Child {
    async fn live(mut self, stdin: ChildStdin, stderr: ChildStderr, closing: CancellationToken) {
        let mut streams = JoinSet::new();
        let wire = Arc::clone(&self.wire);
        let writing = streams.spawn(async move { write(&wire.outbox, stdin).await });
        streams.spawn(drain(stderr, Arc::clone(&self.wire.backend), self.last_lines.clone()));

        let end = tokio::select! {
            unreadable = read(&mut self.demux, &mut self.stdout) => {
                unreadable.map_or(End::StreamClosed, End::Unreadable)
            }
            status = self.process.wait() => End::Exited(status),
            () = until_finished(&mut streams, writing.id()) => End::StreamClosed,
            () = closing.cancelled() => End::Closed,
        };
        self.wire.outbox.close();
        let detail = self.finish(end, &mut streams).await;
        let backend = Arc::clone(&self.wire.backend);
        self.wire.end(&Error::ConnectionLost { backend, detail: detail.into() });
    }

    /// Stops what still runs, hears its last words, and says how it ended.
    async fn finish(&mut self, end: End, streams: &mut JoinSet<()>) -> String {
        let mut unreadable = None;
        let was_closed = matches!(end, End::Closed);
        let status = match end {
            End::Exited(status) => status,
            End::Closed | End::StreamClosed => self.stop().await,
            End::Unreadable(error) => {
                unreadable = Some(error);
                self.process.kill().await
            }
        };
        if unreadable.is_none() {
            // Its last responses may still be in the pipe.
            timeout(LAST_WORDS, read(&mut self.demux, &mut self.stdout)).await.ok();
        }
        timeout(LAST_WORDS, async { while streams.join_next().await.is_some() {} }).await.ok();
        let backend = &self.wire.backend;
        let ending = ending(&status);
        if was_closed {
            tracing::debug!(%backend, "{ending}");
            return "its connection was closed".to_owned();
        }
        let mut detail = unreadable.map_or(ending, |error| error.to_string());
        if let Some(told) = self.last_lines.told() {
            detail = format!("{detail}; the end of its standard error: {told}");
        }
        tracing::warn!(%backend, "{detail}");
        detail
    }

    /// Stops the child, reading on: it may have to write before it can end.
    async fn stop(&mut self) -> io::Result<ExitStatus> {
        let Self { process, demux, stdout, .. } = self;
        let reading = async {
            read(demux, stdout).await;
            std::future::pending().await
        };
        tokio::select! {
            status = process.stop(Grace::default()) => status,
            never = reading => never,
        }
    }
}

/// Waits until one of the tasks has finished.
async fn until_finished(streams: &mut JoinSet<()>, id: task::Id) {
    while let Some(finished) = streams.join_next_with_id().await {
        let finished = finished.map_or_else(|error| error.id(), |(id, ())| id);
        if finished == id {
            return;
        }
    }
}
