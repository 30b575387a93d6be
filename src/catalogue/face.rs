//! What a client at one endpoint sees: four lists, and the way from each name to its backend.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::list::{InvalidCursor, List, Listed};
use super::template::Template;
use super::{Collision, Entry, Member};
use crate::backends::{Handle, Item, Kind, Offer};
use crate::mcp::splice::{quoted, splice};

/// Whose names are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Names {
    /// Those of the gateway, unique among all backends.
    Exposed,
    /// Those of the one backend that is shown.
    Own,
}

/// What a client at one endpoint sees. Immutable.
#[derive(Debug)]
pub struct Face {
    lists: [List; 4],
    templates: Vec<(Template, Arc<Entry>)>,
    /// Backends that say they have resources.
    pub(super) with_resources: Vec<Arc<Handle>>,
    collisions: Vec<Collision>,
}

impl Face {
    /// Puts the offers of backends, which are in the order of their names, under one roof.
    pub(super) fn new(offers: &[(&Member, Arc<Offer>)], names: Names) -> Self {
        let mut collisions = Vec::new();
        let lists = Kind::ALL.map(|kind| match names {
            Names::Exposed => List::new(kind, unique(kind, offers, &mut collisions)),
            Names::Own => List::new(kind, own(kind, offers)),
        });
        let templates = lists[Kind::ResourceTemplate as usize].items();
        let templates = templates.iter().map(|it| {
            let entry = it.entry.clone();
            (Template::parse(&entry.exposed), entry)
        });
        let templates = templates.collect();
        let with_resources = offers.iter().filter(|(_, offer)| offer.declared.resources);
        let with_resources = with_resources.map(|(member, _)| member.handle.clone()).collect();
        Self { lists, templates, with_resources, collisions }
    }

    /// What is exposed under exactly that name, URI or URI template.
    pub fn get(&self, kind: Kind, key: &str) -> Option<&Arc<Entry>> {
        self.list(kind).get(key)
    }

    /// Everything of one kind, in the order in which it is listed.
    pub fn entries(&self, kind: Kind) -> impl ExactSizeIterator<Item = &Arc<Entry>> {
        self.list(kind).items().iter().map(|item| &item.entry)
    }

    /// What could not be shown because its name was taken.
    pub fn collisions(&self) -> &[Collision] {
        &self.collisions
    }

    /// The result of a list request.
    pub(super) fn page(&self, kind: Kind, cursor: Option<&str>) -> Result<Bytes, InvalidCursor> {
        self.list(kind).page(cursor)
    }

    pub(super) fn templates(&self) -> &[(Template, Arc<Entry>)] {
        &self.templates
    }

    fn list(&self, kind: Kind) -> &List {
        &self.lists[kind as usize]
    }
}

/// The items of all backends; the first with a name keeps it.
fn unique(
    kind: Kind,
    offers: &[(&Member, Arc<Offer>)],
    collisions: &mut Vec<Collision>,
) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut taken: HashMap<Arc<str>, Arc<str>> = HashMap::new();
    for (member, offer) in offers {
        for (ordinal, item) in offer.items(kind).iter().enumerate() {
            let exposed = match kind {
                Kind::Tool | Kind::Prompt => member.naming.exposed(&item.key),
                Kind::Resource | Kind::ResourceTemplate => item.key.clone(),
            };
            let backend = member.handle.name();
            if let Some(kept_by) = taken.get(&exposed) {
                let (kept_by, hidden) = (kept_by.clone(), backend.clone());
                let original = item.key.clone();
                collisions.push(Collision { kind, exposed, kept_by, hidden, original });
                continue;
            }
            taken.insert(exposed.clone(), backend.clone());
            listed.push(listed_as(kind, exposed, ordinal, item, &member.handle));
        }
    }
    listed
}

/// The items of one backend as it listed them, even twice.
fn own(kind: Kind, offers: &[(&Member, Arc<Offer>)]) -> Vec<Listed> {
    let items = |(member, offer): &(&Member, Arc<Offer>)| {
        let item = |(ordinal, item): (usize, &Item)| {
            listed_as(kind, item.key.clone(), ordinal, item, &member.handle)
        };
        offer.items(kind).iter().enumerate().map(item).collect::<Vec<_>>()
    };
    offers.iter().flat_map(items).collect()
}

fn listed_as(
    kind: Kind,
    exposed: Arc<str>,
    ordinal: usize,
    item: &Item,
    backend: &Arc<Handle>,
) -> Listed {
    let json = if exposed == item.key {
        item.raw.clone()
    } else {
        splice(&item.raw, &[(item.literal, &quoted(&exposed))])
    };
    let (original, backend) = (item.key.clone(), backend.clone());
    let entry = Entry { kind, exposed, original, backend, item: item.raw.clone() };
    Listed { entry: Arc::new(entry), ordinal, json }
}
