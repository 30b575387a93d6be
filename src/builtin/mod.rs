//! What Portcullis itself offers: the meta-tools, and the tools about the gateway.
//!
//! Each is an entry of the catalogue like those of backends, and a call of one goes through the same
//! layers.

mod arguments;
mod auth_status;
mod meta;
mod tool;

use std::sync::Arc;

use crate::backends::Background;
use crate::catalogue::{Catalogue, Entry};
use crate::supervise::Registry;

/// What the tools of ours look at.
#[derive(Clone)]
pub struct Parts {
    /// What is exposed.
    pub catalogue: Arc<Catalogue>,
    /// All backends.
    pub registry: Arc<Registry>,
    /// Where work runs that takes long.
    pub background: Background,
}

/// Everything that Portcullis itself offers.
pub fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    let mut entries = meta::entries(parts);
    entries.push(auth_status::entry(&parts.registry));
    entries
}
