//! From a configuration to a running gateway.
mod follow;
mod print;
mod recorder;
mod stack;
