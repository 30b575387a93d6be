//! Puts MCP endpoints under load and measures what that costs them.
//!
//! [`load`] says what is called and how often, [`measure`] reads latencies and what processes use, and a [`report`] holds
//! the outcome. It measures processes of Linux.

mod client;
pub mod load;
pub mod measure;
pub mod report;
