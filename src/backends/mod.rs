//! MCP servers behind the gateway: their configuration and the connections to them.

mod config;

pub use config::{Config, Isolation, Remote, Stdio, Tls, Transport};
