//! What Portcullis itself offers: the meta-tools, and the tools about the gateway.
//!
//! Each is an entry of the catalogue like those of backends, and a call of one goes through the same
//! layers.

mod arguments;
mod auth_status;
mod core;
mod meta;
mod reach;
mod tool;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::backends::Background;
use crate::catalogue::{Catalogue, Entry};
use crate::definitions::{Quarantined, Server};
use crate::policy::Gate;
use crate::supervise::Registry;

/// What the tools of ours look at.
#[derive(Clone)]
pub struct Parts {
    /// What is exposed.
    pub catalogue: Arc<Catalogue>,
    /// Who may use it.
    pub gate: Arc<Gate>,
    /// The backends.
    pub registry: Arc<Registry>,
    /// Where work runs that takes long.
    pub background: Background,
    /// What the gateway and its backends were set up as.
    pub set_up: SetUp,
}

/// The configuration, as far as it is told.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// The definitions of the backends.
    pub servers: Arc<[Server]>,
    /// The objects that are wrong.
    pub quarantined: Arc<[Quarantined]>,
    /// `config.yaml` as it is in effect, without secrets.
    pub config: Arc<Json>,
    /// The URL of the endpoint in front of all backends, as clients see it.
    pub endpoint: Arc<str>,
}

/// Everything that Portcullis itself offers.
pub fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    let mut entries = meta::entries(parts);
    entries.extend(core::entries(parts));
    entries.push(auth_status::entry(parts));
    entries
}
