//! From a configuration to a running gateway.
pub mod config;
mod follow;
pub mod load;
mod print;
mod recorder;
mod stack;
