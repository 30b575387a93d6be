//! The listeners of the gateway.

mod config;

pub use config::{Aggregator, Http};
