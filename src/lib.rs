//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod backends;
pub mod call;
pub mod demo;
pub mod mcp;
