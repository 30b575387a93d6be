//! From the offers of backends to the items of one list.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::cursor::{Part, Place};
use super::entry::{OWN_NAME, Source};
use super::family::{Instance, unlike};
use super::list::Listed;
use super::{Apart, Collision, Entry, Family, Hints, Member, Named, naming};
use crate::backends::{Item, Kind, Offer};
use crate::mcp::Span;
use crate::mcp::splice::{quoted, splice};

/// What a face is made of.
pub(super) struct Offers<'a> {
    /// Backends by name, with what they offer to the client.
    pub(super) members: Vec<(&'a Member, Arc<Offer>)>,
    /// What Portcullis itself offers.
    pub(super) own: &'a [Arc<Entry>],
    /// Whether the client may see an entry.
    pub(super) shows: &'a dyn Fn(&Entry) -> bool,
    /// What every exposed name begins with.
    pub(super) prefix: &'a str,
}

/// The items of one list.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) items: Vec<Listed>,
    pub(super) hidden: Vec<Named>,
    pub(super) collisions: Vec<Collision>,
    pub(super) apart: Vec<Apart>,
    taken: HashMap<Arc<str>, Arc<str>>,
}

/// A family and one of its tools, to the members that have it with the places of their items.
type Shared<'a> = BTreeMap<(&'a str, &'a Arc<str>), Vec<(&'a Member, &'a Item)>>;

impl Gathered {
    /// The items of all backends; the first with a name keeps it.
    pub(super) fn unique(kind: Kind, offers: &Offers<'_>) -> Self {
        let mut gathered = Self::default();
        for (ordinal, entry) in offers.own.iter().enumerate().filter(|(_, it)| it.kind == kind) {
            let part = if entry.is_meta() { Part::Meta } else { Part::Own };
            let place = Place { part, group: OWN_NAME.into(), ordinal };
            gathered.taken.insert(entry.exposed.clone(), OWN_NAME.into());
            gathered.put(Arc::clone(entry), Span::at(0), place, offers);
        }
        let mut shared = Shared::new();
        if kind == Kind::Tool {
            shared = of_families(offers);
            shared.retain(|_, members| gathered.is_one(members));
        }
        for (member, offer) in &offers.members {
            for (ordinal, item) in offer.items(kind).iter().enumerate() {
                let family = member.family.as_ref().map(|family| (&*family.name, &item.key));
                if family.is_some_and(|family| shared.contains_key(&family)) {
                    continue;
                }
                let exposed = match kind {
                    Kind::Tool | Kind::Prompt => member.naming.exposed(&item.key),
                    Kind::Resource | Kind::ResourceTemplate => item.key.clone(),
                };
                if gathered.is_free(kind, &exposed, member, item) {
                    gathered.taken.insert(exposed.clone(), member.handle.name().clone());
                    let group = member.handle.name().clone();
                    let place = Place { part: Part::Solo, group, ordinal };
                    gathered.put(entry(kind, exposed, member, item), item.literal, place, offers);
                }
            }
        }
        for (ordinal, (_, members)) in shared.into_iter().enumerate() {
            gathered.family(&members, ordinal, offers);
        }
        gathered.items.sort_by(|one, other| one.place.cmp(&other.place));
        gathered
    }

    /// The items of one backend as it listed them, even twice.
    pub(super) fn own(kind: Kind, offers: &Offers<'_>) -> Self {
        let mut gathered = Self::default();
        for (member, offer) in &offers.members {
            for (ordinal, item) in offer.items(kind).iter().enumerate() {
                let group = member.handle.name().clone();
                let place = Place { part: Part::Solo, group, ordinal };
                let entry = entry(kind, item.key.clone(), member, item);
                gathered.put(entry, item.literal, place, offers);
            }
        }
        gathered
    }

    /// Whether nobody has the name yet.
    fn is_free(&mut self, kind: Kind, exposed: &Arc<str>, member: &Member, item: &Item) -> bool {
        let Some(kept_by) = self.taken.get(exposed) else { return true };
        let (kept_by, hidden) = (kept_by.clone(), member.handle.name().clone());
        let (exposed, original) = (exposed.clone(), item.key.clone());
        self.collisions.push(Collision { kind, exposed, kept_by, hidden, original });
        false
    }

    /// Adds an entry, in sight or not.
    fn put(&mut self, entry: Arc<Entry>, literal: Span, place: Place, offers: &Offers<'_>) {
        if !(offers.shows)(&entry) {
            self.hidden.push(Named::Entry(entry));
            return;
        }
        let json = if entry.exposed == entry.original {
            entry.item.clone()
        } else {
            splice(&entry.item, &[(literal, &quoted(&entry.exposed))])
        };
        self.items.push(Listed { named: Named::Entry(entry), json, place });
    }

    /// Whether the members of a family can stand for each other with one of its tools.
    fn is_one(&mut self, members: &[(&Member, &Item)]) -> bool {
        let (first, item) = members[0];
        let Some(family) = &first.family else { return false };
        let items: Vec<_> = members.iter().map(|(_, item)| &item.raw).collect();
        let why = unlike(&items, &family.instance_arg);
        let (family, tool) = (family.name.clone(), item.key.clone());
        self.apart.extend(why.map(|why| Apart { family, tool, why }));
        why.is_none()
    }

    /// Adds a tool that the members of a family have in common.
    fn family(&mut self, members: &[(&Member, &Item)], ordinal: usize, offers: &Offers<'_>) {
        let (first, item) = members[0];
        let Some(name) = first.family.clone() else { return };
        let exposed = naming::of_family(offers.prefix, &name.name, &item.key);
        let mut is_free = true;
        for (member, item) in members {
            // Each that loses its tool is reported.
            is_free &= self.is_free(Kind::Tool, &exposed, member, item);
        }
        if !is_free {
            return;
        }
        self.taken.insert(exposed.clone(), first.handle.name().clone());
        let instance = |(member, item): &(&Member, &Item)| {
            let entry = entry(Kind::Tool, exposed.clone(), member, item);
            Instance { is_shown: (offers.shows)(&entry), entry }
        };
        let instances = members.iter().map(instance).collect();
        let group = name.name.clone();
        let family = Arc::new(Family::new(exposed.clone(), name, instances));
        match family.item() {
            Some(json) => {
                let place = Place { part: Part::Family, group, ordinal };
                self.items.push(Listed { named: Named::Family(family), json, place });
            }
            None => self.hidden.push(Named::Family(family)),
        }
    }
}

/// Which members of which family have which tool; a member that lists a tool twice counts once.
fn of_families<'a>(offers: &'a Offers<'a>) -> Shared<'a> {
    let mut shared = Shared::new();
    for (member, offer) in &offers.members {
        let Some(family) = &member.family else { continue };
        let mut seen = HashSet::new();
        for item in offer.items(Kind::Tool) {
            if seen.insert(&item.key) {
                shared.entry((&*family.name, &item.key)).or_default().push((*member, item));
            }
        }
    }
    shared
}

/// What an item of a backend is to the rest of the gateway.
pub(super) fn entry(kind: Kind, exposed: Arc<str>, member: &Member, item: &Item) -> Arc<Entry> {
    let (original, source) = (item.key.clone(), Source::Backend(member.handle.clone()));
    let is_trusted = kind == Kind::Tool && member.handle.config().trust_annotations;
    let hints = if is_trusted { Hints::of(&item.raw) } else { Hints::WORST };
    Arc::new(Entry { kind, exposed, original, source, item: item.raw.clone(), hints })
}
