//! What changes the catalogue.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::Member;
use super::snapshot::Own;
use crate::backends::ListChanged;

/// What the writer hears of.
pub(super) enum Event {
    /// A backend's state and perhaps what it offers, what we offer, or the rules.
    State,
    /// What a connection of some clients offers.
    Overlay(usize, ListChanged),
    /// Too much at once to know what.
    Lagged(usize),
}

/// Everything that can change the catalogue, as one stream.
pub(super) fn events(
    members: &[Member],
    own: watch::Receiver<Own>,
    editions: watch::Receiver<u64>,
) -> SelectAll<BoxStream<'static, Event>> {
    let changed = [changes_of(own), changes_of(editions)];
    let of_member = |(at, member): (usize, &Member)| {
        let states = changes_of(member.handle.watch());
        let overlays = member.handle.pool().list_changes();
        let overlays = stream::unfold(overlays, move |mut overlays| async move {
            let event = match overlays.recv().await {
                Ok(change) => Event::Overlay(at, change),
                Err(RecvError::Lagged(_)) => Event::Lagged(at),
                Err(RecvError::Closed) => return None,
            };
            Some((event, overlays))
        });
        [states, overlays.boxed()]
    };
    stream::select_all(members.iter().enumerate().flat_map(of_member).chain(changed))
}

fn changes_of<T: Send + Sync + 'static>(watched: watch::Receiver<T>) -> BoxStream<'static, Event> {
    let changes = stream::unfold(watched, |mut watched| async {
        watched.changed().await.ok()?;
        Some((Event::State, watched))
    });
    changes.boxed()
}
