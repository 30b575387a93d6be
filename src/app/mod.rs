//! From a configuration to a running gateway: the only place that orders layers.

pub mod config;
mod follow;
pub mod load;
mod print;
mod recorder;
mod serve;
mod stack;
mod stdio;
#[cfg(test)]
mod tests;

pub use serve::serve;
