//! A backend reached over Streamable HTTP, revisions 2025-03-26 to 2025-11-25.
//!
//! A [`Connection`] is a session with the backend, shared by all worker threads; TCP connections
//! belong to the [`Client`](crate::outbound::Client) that each of them brings along. A call is an
//! exchange: one POST, whose reply is a message or a stream that is read only as fast as the
//! caller takes it.

mod call;
mod clock;
mod connection;
mod exchange;
mod handshake;
mod listen;
mod post;
mod progress;
mod renew;
mod session;
mod unsolicited;

pub use connection::Connection;

#[cfg(test)]
mod tests;

/// Counts a message that goes nowhere.
fn dropped(reason: &'static str) {
    metrics::counter!("portcullis_dropped_total", "reason" => reason).increment(1);
}
