//! MCP servers behind the gateway: their configuration and the connections to them.
//!
//! A [`Handle`] is what everybody holds of a backend: its state, its pool of connections and its
//! bulkhead. What the backend offers is an [`Offer`], listed once for each connection.

mod bulkhead;
mod config;
mod connection;
mod context;
pub mod duplex;
mod evict;
mod handle;
pub mod http;
mod inbox;
mod interned;
mod key;
mod level;
mod listing;
mod offer;
mod open;
mod pool;
mod pooled;
mod questions;
pub mod relay;
mod remote;
#[cfg(test)]
pub(crate) mod scripted;
mod secrets;
pub mod sse;
mod state;
pub mod stdio;
mod unsolicited;
mod usage;

pub use bulkhead::Bulkhead;
pub use config::{Config, Isolation, Remote, Stdio, Tls, Transport};
pub use connection::Connection;
pub use context::{Context, SessionSink, Updated};
pub use handle::Handle;
pub use key::{Key, Owner};
pub use listing::Listing;
pub use offer::{Declared, Item, Kind, Kinds, Offer};
pub use open::{Background, MAX_MESSAGE_BYTES, OpenError, Opened};
pub use pool::{ConnectError, Pool};
pub use pooled::{ListChanged, Pooled};
pub use secrets::{REDACTED, shown_arguments, shown_url};
pub use state::BackendState;
pub use unsolicited::{INBOX_CAPACITY, Unsolicited};
pub use usage::Claim;
