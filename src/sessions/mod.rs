//! MCP sessions.

mod config;

pub use config::Config;
