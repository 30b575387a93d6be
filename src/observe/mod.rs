//! Logs and metrics.

mod config;

pub use config::{Format, Logging, Metrics};
