//! Sessions, dealt to the connections that use them.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use anyhow::Context;
use tokio::task::JoinSet;

use super::Endpoint;
use super::progress::shown;
use crate::client::{Connection, Session};

/// A connection with its share of the sessions.
pub(super) struct Share {
    pub(super) connection: Connection,
    pub(super) sessions: Vec<Session>,
}

/// Opens sessions, as many at a time as there are connections.
pub(super) async fn open(
    endpoint: &Endpoint,
    connections: NonZeroUsize,
    sessions: usize,
) -> anyhow::Result<Vec<Share>> {
    let opened = Rc::new(Cell::new(0_usize));
    let mut opening = JoinSet::new();
    for number in 0..connections.get() {
        let mut connection = Connection::new(endpoint).await?;
        let count = (number..sessions).step_by(connections.get()).len();
        let opened = Rc::clone(&opened);
        opening.spawn_local(async move {
            let mut sessions = Vec::with_capacity(count);
            while sessions.len() < count {
                sessions.push(Session::open(&mut connection).await?);
                opened.update(|opened| opened + 1);
            }
            Ok(Share { connection, sessions })
        });
    }
    let progress = || format!("{} of {sessions} sessions open", opened.get());
    let shares = shown(progress, opening.join_all()).await;
    let shares: anyhow::Result<Vec<_>> = shares.into_iter().collect();
    shares.with_context(|| format!("{} of {sessions} sessions opened", opened.get()))
}

/// Ends all sessions.
pub(super) async fn close(shares: impl Iterator<Item = Share>) {
    let mut closing = JoinSet::new();
    for Share { mut connection, sessions } in shares {
        closing.spawn_local(async move {
            for session in sessions {
                session.close(&mut connection).await;
            }
        });
    }
    shown(|| "ending the sessions".to_owned(), closing.join_all()).await;
}
