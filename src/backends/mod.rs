//! MCP servers behind the gateway: their configuration and the connections to them.

mod config;
pub mod relay;
mod unsolicited;

pub use config::{Config, Isolation, Remote, Stdio, Tls, Transport};
pub use unsolicited::{INBOX_CAPACITY, Unsolicited};
