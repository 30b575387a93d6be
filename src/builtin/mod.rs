//! What Portcullis itself offers: the meta-tools, and the tools about the gateway.
//!
//! Each is an entry of the catalogue like those of backends, and a call of one goes through the same
//! layers.

mod arguments;
mod meta;
mod tool;

use std::sync::Arc;

use crate::catalogue::{Catalogue, Entry};

/// What the tools of ours look at.
#[derive(Clone)]
pub struct Parts {
    /// What is exposed.
    pub catalogue: Arc<Catalogue>,
}

/// Everything that Portcullis itself offers.
pub fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    meta::entries(&parts.catalogue)
}
