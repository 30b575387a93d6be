//! One exposed thing.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::backends::relay::Target;
use crate::backends::{Handle, Kind};

/// One exposed tool, prompt, resource or template, and where it leads.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The exposed name, URI or URI template.
    pub exposed: Arc<str>,
    /// What the backend calls it.
    pub original: Arc<str>,
    /// The backend it is from.
    pub backend: Arc<Handle>,
    /// The JSON object as the backend listed it; empty for a resource that it did not list.
    pub item: Bytes,
}

impl Entry {
    /// What a request for it names, as the backend has to see it.
    pub fn target(&self) -> Target {
        let is_renamed = self.exposed != self.original;
        Target { name: is_renamed.then(|| self.original.clone()) }
    }
}

/// Two backends offer something under one exposed name; the first by name keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collision {
    /// What it is.
    pub kind: Kind,
    /// The exposed name, URI or URI template.
    pub exposed: Arc<str>,
    /// The backend that keeps it.
    pub kept_by: Arc<str>,
    /// The backend whose offer is not shown.
    pub hidden: Arc<str>,
    /// What that backend calls it.
    pub original: Arc<str>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, exposed, kept_by, hidden, original } = self;
        let noun = kind.noun();
        write!(f, "{noun} {original:?} of backend {hidden} is not shown: ")?;
        if kept_by == hidden {
            write!(f, "the backend lists {exposed:?} twice")
        } else {
            let cure = match kind {
                Kind::Tool | Kind::Prompt => "set spec.toolPrefix on one".to_owned(),
                // URIs stay as they are, so no prefix tells them apart.
                Kind::Resource | Kind::ResourceTemplate => format!("use /servers/{hidden}/mcp"),
            };
            write!(f, "backend {kept_by} already has {exposed:?}; {cure}")
        }
    }
}
