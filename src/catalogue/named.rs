//! What an exposed name stands for.

use std::sync::Arc;

use super::{Entry, Family};

/// What an exposed name stands for.
#[derive(Clone, Debug)]
pub enum Named {
    /// One thing.
    Entry(Arc<Entry>),
    /// A tool that several backends have; an argument says whose is meant.
    Family(Arc<Family>),
}

impl Named {
    /// The exposed name, URI or URI template.
    pub fn exposed(&self) -> &Arc<str> {
        match self {
            Self::Entry(entry) => &entry.exposed,
            Self::Family(family) => &family.exposed,
        }
    }

    /// The one thing, if it is one.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Family(_) => None,
        }
    }
}
