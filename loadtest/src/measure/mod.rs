//! Latencies, and what processes use.

mod latencies;
mod processes;

pub use latencies::Latencies;
pub use processes::{Processes, Sample};
