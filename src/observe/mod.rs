//! What the gateway tells its operators: log lines and metrics.

pub mod call_log;
pub mod exposition;
pub mod logging;
pub mod metrics;
