//! The meta-tools: a small way to a large number of tools, resources and prompts.

mod spellings;

use std::sync::Arc;

use crate::catalogue::{Catalogue, Entry};

pub(super) fn entries(_catalogue: &Arc<Catalogue>) -> Vec<Arc<Entry>> {
    spellings::entries().into()
}
