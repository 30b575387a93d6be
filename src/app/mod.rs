//! From a configuration to a running gateway: the only place that orders layers.

mod backside;
pub mod config;
mod follow;
mod listen;
pub mod load;
mod print;
mod recorder;
mod secure;
mod serve;
mod stack;
mod status;
mod stdio;
#[cfg(test)]
mod tests;

pub use serve::serve;
