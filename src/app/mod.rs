//! The gateway as a whole.

pub mod config;
pub mod load;
