//! Puts MCP endpoints under load and compares what they cost.

pub mod target;
