//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod app;
pub mod authn;
pub mod backends;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod definitions;
pub mod observe;
pub mod server;
pub mod sessions;
