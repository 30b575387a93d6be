//! The core tools: a look at the gateway, and changes of it.

mod blocks;

use std::sync::Arc;

use super::Parts;
use crate::catalogue::Entry;

pub(super) fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    blocks::entries(parts).into()
}
