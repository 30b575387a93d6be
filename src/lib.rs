//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod backends;
