//! What is worth recording of a call beside itself.

use std::sync::{Arc, OnceLock};

use crate::mcp::Method;

/// Filled while a call is resolved, read when it ends.
///
/// The names are from the catalogue or the configuration, never what a client sent, so they can be
/// metric labels.
#[derive(Debug, Default)]
pub struct Notes {
    /// What it really asks for, where it was spelled as something else.
    pub method: OnceLock<Method>,
    /// The exposed name of the tool or prompt.
    pub name: OnceLock<Arc<str>>,
    /// The backend's name.
    pub backend: OnceLock<Arc<str>>,
    /// Why it failed, where its response says so in other words.
    pub error: OnceLock<String>,
    /// The id of the HTTP request it came in.
    pub request_id: Option<Box<str>>,
}
