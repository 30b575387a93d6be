//! The life of backends: one task for each starts it, watches it and says how it is.

mod clients;
mod registry;
mod supervisor;
#[cfg(test)]
mod tests;

pub use registry::{Definition, Registry, SessionConnection, Status};
