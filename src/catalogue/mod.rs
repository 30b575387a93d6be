//! What the backends offer, under one set of names.
//!
//! One writer keeps an immutable snapshot of what all backends offer. What a client sees is a
//! [`Face`]: the snapshot's, or one of its own where a connection that serves it offers something
//! else than the supervisor's does (an overlay).

mod change;
mod config;
mod cursor;
mod entry;
mod face;
mod faces;
mod find;
mod list;
mod member;
mod missing;
mod naming;
mod route;
mod snapshot;
mod template;
#[cfg(test)]
mod tests;
mod view;
mod wait;

pub use crate::backends::{Kind, Kinds};
pub use change::{Audience, Change};
pub use config::{Config, Expose, Prefix};
pub use entry::{Collision, Entry};
pub use face::Face;
pub use list::InvalidCursor;
pub use member::Member;
pub use naming::{MAX_NAME_CHARS, Naming};
pub use route::Route;
pub use snapshot::{Catalogue, ListError, ServerError};
pub use view::{View, Visibility};
