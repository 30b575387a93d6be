//! One backend in the catalogue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use super::{Config, FamilyName, Naming, View};
use crate::backends::{BackendState, Handle, Key, Offer};

/// One backend, and the names it is exposed under.
#[derive(Clone, Debug)]
pub struct Member {
    /// The backend.
    pub handle: Arc<Handle>,
    /// How its names become exposed ones.
    pub naming: Naming,
    /// The family that its tools are exposed with.
    pub family: Option<FamilyName>,
}

/// What a backend offers to one client.
pub(super) struct Offered {
    pub(super) offer: Option<Arc<Offer>>,
    /// Whether nothing else is to be expected before long: neither its first start nor a connection
    /// of the client's own.
    pub(super) is_last_word: bool,
}

fn kept(state: BackendState, config: &Config) -> Option<Arc<Offer>> {
    match state {
        BackendState::Running(offer) => Some(offer),
        BackendState::Failed { since, last, .. } if since.elapsed() < config.grace => last,
        BackendState::Failed { .. } | BackendState::Stopped | BackendState::Starting => None,
    }
}

impl Member {
    /// What it offers to somebody without a connection of their own.
    ///
    /// A crash keeps what was known for `catalogue.grace`; whatever else stops a backend takes it
    /// away at once.
    pub(super) fn offer(&self, config: &Config) -> Option<Arc<Offer>> {
        kept(self.handle.state(), config)
    }

    /// What it offers to a client: on the connection that serves the client, if that has been
    /// listed, else what it offers to others.
    pub(super) fn offered(&self, config: &Config, view: &View) -> Offered {
        let state = self.handle.state();
        let is_starting = state.is_starting();
        let offer = match state {
            BackendState::Running(offer) => offer,
            other => return Offered { offer: kept(other, config), is_last_word: !is_starting },
        };
        let Some(key) = view.overlay_key(&self.handle) else {
            return Offered { offer: Some(offer), is_last_word: true };
        };
        let own = self.overlay(key);
        Offered { is_last_word: own.is_some(), offer: own.or(Some(offer)) }
    }

    /// When it stops offering what it offered before it crashed.
    pub(super) fn offers_until(&self, config: &Config) -> Option<Instant> {
        match self.handle.state() {
            BackendState::Failed { since, last: Some(_), .. } => {
                Some(since + config.grace).filter(|expiry| Instant::now() < *expiry)
            }
            _ => None,
        }
    }

    /// What the connection of that key offers, if it is open and was listed.
    pub(super) fn overlay(&self, key: Key) -> Option<Arc<Offer>> {
        self.handle.pool().get(key)?.offer()
    }
}

/// A family whose members name different instance arguments is none: no schema could serve them all.
pub(super) fn agree(members: &mut [Member]) {
    let mut arguments: HashMap<Arc<str>, HashSet<Arc<str>>> = HashMap::new();
    for family in members.iter().filter_map(|member| member.family.as_ref()) {
        let known = arguments.entry(family.name.clone()).or_default();
        known.insert(family.instance_arg.clone());
    }
    arguments.retain(|_, known| known.len() > 1);
    for family in arguments.keys() {
        warn!(%family, "its members have different spec.family.instanceArg; each is exposed alone");
    }
    for member in members {
        member.family.take_if(|family| arguments.contains_key(&family.name));
    }
}
