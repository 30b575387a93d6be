//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod backends;
pub mod call;
pub mod catalogue;
pub mod demo;
pub mod mcp;
pub mod outbound;
pub mod supervise;
