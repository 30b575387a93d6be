//! What a client at one endpoint sees: four lists, and the way from each name to its backend.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::gather::{Gathered, Offers};
use super::list::{InvalidCursor, List, Listed};
use super::template::Template;
use super::{Apart, Collision, Entry, Exposure, Index, Named};
use crate::backends::{Handle, Kind};

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
    apart: Vec<Apart>,
    index: OnceLock<Index>,
}

impl Face {
    /// Puts the offers of backends, which are in the order of their names, under one roof.
    pub(super) fn new(offers: &Offers<'_>, names: Names, exposure: Exposure) -> Self {
        let (mut collisions, mut apart) = (Vec::new(), Vec::new());
        let lists = Kind::ALL.map(|kind| {
            let gathered = match names {
                Names::Exposed => Gathered::unique(kind, offers),
                Names::Own => Gathered::own(kind, offers),
            };
            let range = match names {
                Names::Exposed => exposure.range(kind, &gathered.items),
                Names::Own => 0..gathered.items.len(),
            };
            collisions.extend(gathered.collisions);
            apart.extend(gathered.apart);
            List::new(kind, gathered.items, gathered.hidden, range)
        });
        let templates = &lists[Kind::ResourceTemplate as usize];
        let shown = templates.items().iter().map(|it| &it.named);
        // Policy has its own word on what a hidden one stands for.
        let templates = shown.chain(templates.hidden()).filter_map(Named::entry);
        let template = |entry: &Arc<Entry>| (Template::parse(&entry.exposed), Arc::clone(entry));
        let templates = templates.map(template).collect();
        let with_resources = offers.members.iter().filter(|(_, offer)| offer.declared.resources);
        let with_resources = with_resources.map(|(member, _)| member.handle.clone()).collect();
        Self { lists, templates, with_resources, collisions, apart, index: OnceLock::new() }
    }

    /// What is exposed under exactly that name, URI or URI template, shown or not.
    pub fn get(&self, kind: Kind, key: &str) -> Option<&Named> {
        self.list(kind).get(key)
    }

    /// Everything of one kind that the client may see, whether list requests show it or not, in the
    /// order of lists.
    pub fn items(&self, kind: Kind) -> &[Listed] {
        self.list(kind).items()
    }

    /// What policy keeps out of the client's sight.
    pub fn hidden(&self, kind: Kind) -> &[Named] {
        self.list(kind).hidden()
    }

    /// The item of exactly that name or URI, if the client may see it.
    pub fn item(&self, kind: Kind, key: &str) -> Option<&Listed> {
        self.items(kind).iter().find(|item| &**item.named.exposed() == key)
    }

    /// What its tools say of themselves, read when first asked for, which takes some 20 us for each
    /// tool.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self.items(Kind::Tool)))
    }

    /// What could not be shown because its name was taken.
    pub fn collisions(&self) -> &[Collision] {
        &self.collisions
    }

    /// Tools of families that are exposed for each backend alone.
    pub fn apart(&self) -> &[Apart] {
        &self.apart
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
