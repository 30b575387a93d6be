//! One exposed thing.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Hints;
use crate::backends::relay::Target;
use crate::backends::{Handle, Kind};
use crate::call::{Builtin, Spelling};

/// One exposed tool, prompt, resource or template, and where it leads.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The exposed name, URI or URI template.
    pub exposed: Arc<str>,
    /// What the backend calls it.
    pub original: Arc<str>,
    /// Whose it is.
    pub source: Source,
    /// The JSON object as it was listed; empty for a resource that was not.
    pub item: Bytes,
    /// What rules may go by: the worst, unless its backend's word counts.
    pub hints: Hints,
}

/// Whose an entry is.
#[derive(Clone, Debug)]
pub enum Source {
    /// A backend's.
    Backend(Arc<Handle>),
    /// Portcullis' own.
    Own {
        /// What it is for.
        role: Role,
        /// Who answers.
        builtin: Arc<dyn Builtin>,
    },
    /// Portcullis' own, and only another name for something else.
    Spelling(Spelling),
}

/// What an entry of Portcullis itself is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A way to what is exposed.
    Meta,
    /// A look at the gateway.
    Look,
    /// A look at what is the business of those alone who may change it.
    Inspect,
    /// A change of the gateway.
    Change,
}

/// Who offers what no backend does.
pub const OWN_NAME: &str = "portcullis";

impl Entry {
    /// What a request for it names, as the backend has to see it.
    pub fn target(&self) -> Target {
        let is_renamed = self.exposed != self.original;
        Target { name: is_renamed.then(|| self.original.clone()) }
    }

    /// The backend it is from, unless it is our own.
    pub fn backend(&self) -> Option<&Arc<Handle>> {
        match &self.source {
            Source::Backend(backend) => Some(backend),
            Source::Own { .. } | Source::Spelling(_) => None,
        }
    }

    /// The name of whoever it is from.
    pub fn server(&self) -> &str {
        self.backend().map_or(OWN_NAME, |backend| backend.name())
    }

    /// What it is another name for, if it is nothing else.
    pub fn spelling(&self) -> Option<Spelling> {
        match self.source {
            Source::Spelling(spelling) => Some(spelling),
            Source::Backend(_) | Source::Own { .. } => None,
        }
    }

    /// Whether it is a way to what is exposed, and no such thing itself.
    pub fn is_meta(&self) -> bool {
        matches!(self.source, Source::Own { role: Role::Meta, .. } | Source::Spelling(_))
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
            return write!(f, "the backend lists {exposed:?} twice");
        }
        let cure = match kind {
            Kind::Tool | Kind::Prompt => "set spec.toolPrefix on one".to_owned(),
            // URIs stay as they are, so no prefix tells them apart.
            Kind::Resource | Kind::ResourceTemplate => format!("use /servers/{hidden}/mcp"),
        };
        match &**kept_by {
            OWN_NAME => write!(f, "{exposed:?} is one of ours; {cure}"),
            kept_by => write!(f, "backend {kept_by} already has {exposed:?}; {cure}"),
        }
    }
}
