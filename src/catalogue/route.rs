//! Where a call goes.

use std::sync::Arc;

use super::{Entry, Kind};
use crate::backends::Handle;

/// Where a call goes, decided once from one snapshot.
#[derive(Clone, Debug)]
pub enum Route {
    /// To the backend of an entry.
    Entry(Arc<Entry>),
    /// To a backend, unread: its own endpoint was asked for something it did not list, or that we
    /// have no name for.
    Backend(Arc<Handle>),
    /// To the catalogue itself, which lists such entries.
    List(Kind),
}
