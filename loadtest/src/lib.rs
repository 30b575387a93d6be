//! Puts MCP endpoints under load and compares what that costs them.
//!
//! [`load`] says what is called and how often, [`measure`] reads latencies and what processes use, a [`report`] holds the
//! outcome, and a [`target`] is what it is done to;
//! [`compare`] does all of that in turns. It measures processes of Linux.

mod client;
pub mod compare;
pub mod load;
pub mod measure;
pub mod report;
pub mod target;
