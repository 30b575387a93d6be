//! Connections in which both sides say everything on one channel, and ids alone tell what belongs
//! together: the pipes of a child process, the event stream and the POSTs of HTTP+SSE.
//!
//! A transport brings two things: a task that sends what is in the `Outbox`, and one that hands
//! every message of the backend to the `Demux`. Callers and those tasks meet in the `Wire`.

mod clock;
mod connection;
mod demux;
mod events;
mod handshake;
mod outbox;
mod queue;
mod wire;

pub use connection::Connection;
pub(super) use connection::Life;
pub(super) use demux::Demux;
pub(super) use handshake::{INITIALIZED, accept, initialize};
pub(super) use outbox::{About, Outbox, Outgoing};
#[cfg(test)]
pub(super) use queue::MAX_MESSAGES;
pub(super) use wire::Wire;

/// Counts a message that went nowhere.
fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}
