//! What the backends offer, under one set of names.
//!
//! One writer keeps an immutable snapshot of what all backends offer. What a client sees is a
//! [`Face`]: the snapshot's, or one of its own where a connection that serves it offers something
//! else than the supervisor's does (an overlay).

mod change;
mod config;
mod cursor;
mod entry;
mod events;
mod face;
mod faces;
mod family;
mod find;
mod gather;
mod hints;
mod index;
mod list;
mod member;
mod missing;
mod named;
mod naming;
mod route;
mod search;
mod snapshot;
mod template;
#[cfg(test)]
mod tests;
mod tokens;
mod view;
mod wait;

pub use crate::backends::{Kind, Kinds};
pub use change::{Audience, Change};
pub use config::{Config, Expose, Exposure, Prefix};
pub use entry::{Collision, Entry, OWN_NAME, Role, Source};
pub use face::Face;
pub use family::{Apart, Family, FamilyName, Unlike};
pub use hints::{Hint, Hints};
pub use index::{Described, Index};
pub use list::{InvalidCursor, Listed};
pub use member::Member;
pub use named::Named;
pub use naming::{MAX_NAME_CHARS, Naming};
pub use route::Route;
pub use search::Hit;
pub use snapshot::{Catalogue, Exposing, ListError, ServerError};
pub use view::{Judge, View, Visibility};
