//! From what a request names to the backend that has it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Catalogue, Entry, Face, Hints, Named, Source, View};
use crate::backends::{Handle, Kind};
use crate::call::Endpoint;

impl Catalogue {
    /// The tool that a client at that endpoint means.
    pub fn resolve_tool(&self, endpoint: &Endpoint, name: &str, view: &View) -> Option<Named> {
        self.find(endpoint, view, |face| face.get(Kind::Tool, name).cloned())
    }

    /// The same where only what the client sees counts, also what it sees alone.
    pub fn tool_of(&self, endpoint: &Endpoint, name: &str, view: &View) -> Option<Named> {
        self.face(endpoint, view)?.get(Kind::Tool, name).cloned()
    }

    /// The one backend behind an endpoint; none behind the one in front of all.
    pub fn backend(&self, endpoint: &Endpoint) -> Option<Arc<Handle>> {
        match endpoint {
            Endpoint::Aggregate => None,
            Endpoint::Server(name) => Some(self.member(name)?.1.handle.clone()),
        }
    }

    /// The prompt that a client at that endpoint means.
    pub fn resolve_prompt(
        &self,
        endpoint: &Endpoint,
        name: &str,
        view: &View,
    ) -> Option<Arc<Entry>> {
        self.find(endpoint, view, |face| entry(face, Kind::Prompt, name))
    }

    /// The resource that a client at that endpoint means, listed or not.
    ///
    /// Links need not appear in any list (MCP, Resources): a URI that does not is taken to the
    /// backend with a template that fits, else to the only one that lists others of its kind, else
    /// to the only one with resources at all.
    pub fn resolve_resource(
        &self,
        endpoint: &Endpoint,
        uri: &str,
        view: &View,
    ) -> Option<Arc<Entry>> {
        self.find(endpoint, view, |face| entry(face, Kind::Resource, uri))
            .or_else(|| self.find(endpoint, view, |face| unlisted(by_template(face, uri)?, uri)))
            .or_else(|| self.find(endpoint, view, |face| unlisted(by_authority(face, uri)?, uri)))
            .or_else(|| self.find(endpoint, view, |face| unlisted(the_only_one(face)?, uri)))
    }

    /// What `ref/resource` of a completion means: a template, or a resource.
    pub fn resolve_template(
        &self,
        endpoint: &Endpoint,
        template: &str,
        view: &View,
    ) -> Option<Arc<Entry>> {
        self.find(endpoint, view, |face| entry(face, Kind::ResourceTemplate, template))
            .or_else(|| self.resolve_resource(endpoint, template, view))
    }

    /// Looks in the snapshot first, where nearly everything is found, then in what only this
    /// client sees.
    fn find<T>(
        &self,
        endpoint: &Endpoint,
        view: &View,
        look: impl Fn(&Face) -> Option<T>,
    ) -> Option<T> {
        let snapshot = matches!(endpoint, Endpoint::Aggregate).then(|| self.load());
        if let Some(found) = snapshot.as_ref().and_then(|snapshot| look(&snapshot.face)) {
            return Some(found);
        }
        let face = self.face(endpoint, view)?;
        let is_same = snapshot.is_some_and(|snapshot| Arc::ptr_eq(&snapshot.face, &face));
        if is_same { None } else { look(&face) }
    }
}

fn entry(face: &Face, kind: Kind, key: &str) -> Option<Arc<Entry>> {
    face.get(kind, key)?.entry().cloned()
}

#[expect(clippy::unnecessary_wraps, reason = "is the last step of lookups that may fail")]
fn unlisted(backend: &Arc<Handle>, uri: &str) -> Option<Arc<Entry>> {
    let uri: Arc<str> = uri.into();
    Some(Arc::new(Entry {
        kind: Kind::Resource,
        exposed: uri.clone(),
        original: uri,
        source: Source::Backend(backend.clone()),
        item: Bytes::new(),
        hints: Hints::WORST,
    }))
}

fn by_template<'a>(face: &'a Face, uri: &str) -> Option<&'a Arc<Handle>> {
    let (_, entry) = face.templates().iter().find(|(template, _)| template.matches(uri))?;
    entry.backend()
}

/// The backend of all listed resources with the same scheme and authority, shown or not.
fn by_authority<'a>(face: &'a Face, uri: &str) -> Option<&'a Arc<Handle>> {
    let wanted = authority(uri)?;
    let shown = face.items(Kind::Resource).iter().map(|item| &item.named);
    let entries = shown.chain(face.hidden(Kind::Resource)).filter_map(Named::entry);
    let alike = entries.filter(|it| authority(&it.exposed) == Some(wanted));
    only(alike.filter_map(|entry| entry.backend()))
}

fn the_only_one(face: &Face) -> Option<&Arc<Handle>> {
    only(face.with_resources.iter())
}

fn only<'a>(mut handles: impl Iterator<Item = &'a Arc<Handle>>) -> Option<&'a Arc<Handle>> {
    let first = handles.next()?;
    handles.all(|other| Arc::ptr_eq(first, other)).then_some(first)
}

/// `scheme://authority`, or `scheme:` where there is no authority.
fn authority(uri: &str) -> Option<&str> {
    let scheme = uri.find(':')? + 1;
    if !uri[scheme..].starts_with("//") {
        return Some(&uri[..scheme]);
    }
    let authority = scheme + 2;
    let end = uri[authority..].find(['/', '?', '#']).map_or(uri.len(), |at| authority + at);
    Some(&uri[..end])
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn the_authority_is_what_stands_before_the_path() {
        for (uri, expected) in [
            ("demo://readme", Some("demo://readme")),
            ("https://host:1/a/b?c", Some("https://host:1")),
            ("file:///a", Some("file://")),
            ("urn:isbn:1", Some("urn:")),
            ("plain", None),
        ] {
            assert_eq!(authority(uri), expected, "{uri}");
        }
    }
}
