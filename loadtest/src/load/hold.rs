//! Sessions and streams that are open and idle.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use anyhow::Context;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::Endpoint;
use super::progress::shown;
use super::shares::{self, Share};
use crate::client::Connection;
use crate::measure::{Processes, Sample};
use crate::report::{Held, HoldReport};

/// What is held.
#[derive(Clone, Debug)]
pub struct Hold {
    /// How many sessions.
    pub sessions: usize,
    /// Whether each has its GET stream open, on a connection of its own.
    pub with_streams: bool,
    /// How many connections open them at the same time.
    pub connections: NonZeroUsize,
    /// The processes under test; their children are measured with them.
    pub processes: Vec<u32>,
}

/// An open stream.
struct Stream {
    _connection: Connection,
    body: Incoming,
}

/// Opens what is to be held and holds it until `done`, which is asked only then. It needs a runtime of one thread, with
/// timers and sockets, and brings its own `LocalSet`.
///
/// # Errors
///
/// When a session or a stream cannot be opened, or a process not be measured. Streams that end are in the report.
pub async fn hold(
    endpoint: &Endpoint,
    hold: &Hold,
    done: impl Future<Output = ()>,
) -> anyhow::Result<HoldReport> {
    LocalSet::new().run_until(hold_local(endpoint, hold, done)).await
}

async fn hold_local(
    endpoint: &Endpoint,
    hold: &Hold,
    done: impl Future<Output = ()>,
) -> anyhow::Result<HoldReport> {
    let processes = Processes::new(hold.processes.clone());
    let before = processes.sample()?;
    let mut shares = shares::open(endpoint, hold.connections, hold.sessions).await?;
    let mut streams = JoinSet::new();
    if hold.with_streams {
        let opened;
        (shares, opened) = open_streams(endpoint, shares).await?;
        for stream in opened {
            streams.spawn_local(stream.drain());
        }
    }
    let opened_streams = streams.len();
    let (started, opened) = (Instant::now(), processes.sample()?);
    done.await;
    let (took, at_end) = (started.elapsed(), processes.sample()?);
    while streams.try_join_next().is_some() {}
    let report = HoldReport {
        sessions: hold.sessions,
        streams: opened_streams,
        streams_at_end: streams.len(),
        seconds: took.as_secs_f64(),
        processes: (!hold.processes.is_empty())
            .then(|| held(hold.sessions, &before, &opened, &at_end)),
    };
    streams.shutdown().await;
    shares::close(shares.into_iter()).await;
    Ok(report)
}

/// Opens a stream for each session.
async fn open_streams(
    endpoint: &Endpoint,
    shares: Vec<Share>,
) -> anyhow::Result<(Vec<Share>, Vec<Stream>)> {
    let opened = Rc::new(Cell::new(0_usize));
    let mut opening = JoinSet::new();
    for share in shares {
        let (endpoint, opened) = (endpoint.clone(), Rc::clone(&opened));
        opening.spawn_local(async move {
            let mut streams = Vec::with_capacity(share.sessions.len());
            for session in &share.sessions {
                let mut connection = Connection::new(&endpoint).await?;
                let body = connection.stream(session).await?;
                streams.push(Stream { _connection: connection, body });
                opened.update(|opened| opened + 1);
            }
            anyhow::Ok((share, streams))
        });
    }
    let progress = || format!("{} streams open", opened.get());
    let done: anyhow::Result<Vec<_>> =
        shown(progress, opening.join_all()).await.into_iter().collect();
    let done = done.with_context(|| format!("{} streams opened", opened.get()))?;
    let (shares, streams): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    Ok((shares, streams.into_iter().flatten().collect()))
}

impl Stream {
    /// Reads until it ends, for whatever reason.
    async fn drain(mut self) {
        while let Some(Ok(_)) = self.body.frame().await {}
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing has 2^52 bytes of memory")]
fn held(sessions: usize, before: &Sample, opened: &Sample, at_end: &Sample) -> Held {
    let added = at_end.rss_bytes as f64 - before.rss_bytes as f64;
    Held {
        rss_before_bytes: before.rss_bytes,
        rss_opened_bytes: opened.rss_bytes,
        rss_at_end_bytes: at_end.rss_bytes,
        peak_rss_bytes: at_end.peak_rss_bytes,
        bytes_per_session: added / sessions.max(1) as f64,
    }
}
