//! Portcullis: one MCP endpoint in front of many MCP servers.

pub mod app;
pub mod authn;
pub mod backends;
pub mod builtin;
pub mod call;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod definitions;
pub mod demo;
pub mod error;
pub mod layers;
pub mod mcp;
pub mod observe;
pub mod outbound;
pub mod policy;
pub mod routes;
pub mod server;
pub mod sessions;
pub mod supervise;
