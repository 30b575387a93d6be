//! MCP servers behind the gateway: their configuration and the connections to them.

mod config;
pub mod http;
mod open;
pub mod relay;
mod unsolicited;

pub use config::{Config, Isolation, Remote, Stdio, Tls, Transport};
pub use open::{Background, MAX_MESSAGE_BYTES, OpenError, Opened};
pub use unsolicited::{INBOX_CAPACITY, Unsolicited};
