//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod backends;
pub mod call;
pub mod catalogue;
pub mod demo;
pub mod mcp;
pub mod sessions;
pub mod layers;
pub mod mcp;
pub mod observe;
pub mod routes;
pub mod server;
pub mod outbound;
pub mod supervise;
