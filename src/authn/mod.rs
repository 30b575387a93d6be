//! Who is calling.

mod config;

pub use config::Config;
