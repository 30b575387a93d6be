//! Listed things as the meta-tools tell of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::catalogue::{Listed, Named};
use crate::mcp::member::members;

/// A JSON object in the making: members in their order, each value as it came.
#[derive(Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Object<'a> {
    /// What a list shows of it.
    pub(super) fn of(item: &'a Listed) -> Self {
        // What stands in a list has been read as an object before.
        let members = members(&item.json).unwrap_or_default();
        Self(members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect())
    }

    /// The same with these members first, and what we know of its origin last. Of members that
    /// a backend calls by the names of ours, ours count.
    pub(super) fn told(mut self, item: &Listed, first: &[&str]) -> Self {
        let origin = Origin::of(item);
        self.0.retain(|(name, _)| !Origin::NAMES.contains(&&**name));
        let place = |name: &str| first.iter().position(|it| *it == name).unwrap_or(first.len());
        self.0.sort_by_key(|(name, _)| place(name));
        origin.put(&mut self);
        self
    }

    /// Those members alone, and what we know of its origin.
    pub(super) fn brief(mut self, item: &Listed, members: &[&str]) -> Self {
        self.0.retain(|(name, _)| members.contains(&&**name));
        self.told(item, members)
    }

    pub(super) fn put(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        let value = to_raw_value(value).expect("what we say ourselves is JSON");
        self.0.push((name.into(), Cow::Owned(value)));
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| &**value)
    }

    /// Puts a member of another object, if it is there.
    pub(super) fn take(&mut self, name: &'static str, other: &Object<'_>) {
        if let Some(value) = other.get(name) {
            self.0.push((name.into(), Cow::Owned(value.to_owned())));
        }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Where a thing is from.
pub(super) struct Origin<'a> {
    /// The backend's name; that of a family, or ours.
    server: &'a str,
    kind: &'static str,
    /// The backends of a family that the client may know of.
    servers: BTreeSet<&'a str>,
}

impl<'a> Origin<'a> {
    const NAMES: [&'static str; 3] = ["server", "kind", "servers"];

    pub(super) fn of(item: &'a Listed) -> Self {
        let kind = item.origin();
        match &item.named {
            Named::Entry(entry) => Self { server: entry.server(), kind, servers: BTreeSet::new() },
            Named::Family(family) => {
                let servers = family.shown().map(|entry| entry.server()).collect();
                Self { server: &family.name.name, kind, servers }
            }
        }
    }

    pub(super) fn put(&self, object: &mut Object<'_>) {
        object.put("server", self.server);
        object.put("kind", self.kind);
        if !self.servers.is_empty() {
            object.put("servers", &self.servers);
        }
    }
}
