//! Layers of the edge stack: they know HTTP, not MCP.
//!
//! A layer that refuses a request does so with its own error, which the stack's error can hold;
//! [`respond`] turns that into a response.

pub mod authenticate;
pub mod body_limit;
pub mod client_address;
pub mod connected;
pub mod cors;
pub mod headers;
pub mod host;
pub mod limit;
pub mod metrics;
pub mod origin;
pub mod rate_limit;
pub mod request_id;
pub mod respond;
pub mod streams;
pub mod trace;

mod forwarded;
mod limited;
mod refuse;
