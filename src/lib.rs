//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod backends;
pub mod config;
