//! The core tools: a look at the gateway itself, its MCP servers and its configuration, and changes
//! of it.

mod blocks;
mod config;
mod inventory;
mod mcpserver;
mod service;
mod status_message;

use std::sync::Arc;

use inventory::Inventory;

use super::Parts;
use super::reach::Reach;
use crate::catalogue::Entry;

pub(super) fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    let inventory = Arc::new(Inventory {
        registry: Arc::clone(&parts.registry),
        servers: Arc::clone(&parts.set_up.servers),
        quarantined: Arc::clone(&parts.set_up.quarantined),
        reach: Reach::new(parts),
    });
    let mut entries = vec![config::entry(parts)];
    entries.extend(mcpserver::entries(&inventory));
    entries.extend(service::entries(&inventory, parts));
    entries.extend(blocks::entries(parts));
    entries
}
