//! What the backends offer, under one set of names.

mod config;

pub use config::{Config, Expose, Prefix};
