//! What the modules' `Config` structs share: YAML with its lines, a decoder that reports every
//! problem at once, environment variables, durations, and the host of a listener.
//!
//! There is no serde here on purpose: it stops at the first error and forgets the lines. A module
//! implements [`Section`] for its `Config`, whose `Default` is the only place for defaults.

mod authority;
mod duration;
mod environment;
mod expand;
mod fields;
mod glob;
mod host;
mod label;
mod later;
mod nearest;
mod node;
mod problem;
mod reader;
mod secret;
mod sections;
mod shown;
mod value;
mod yaml;

pub(crate) use authority::{Hosts, is_authority, is_loopback_authority};
pub use duration::{DurationError, parse_duration, write_duration};
pub use environment::{ENVIRONMENT_PREFIX, Environment};
pub use expand::{ExpandError, expand};
pub use fields::{Fields, Section};
pub use glob::Glob;
pub use host::Host;
pub(crate) use label::MAX_LABEL;
pub use label::is_dns_label;
pub use nearest::{hint, nearest};
pub use node::{Data, Entry, Node, Text};
pub use problem::{Location, Problem};
pub use reader::Reader;
pub use secret::Key;
pub use shown::Shown;
pub use value::Value;
pub use yaml::{Document, MAX_FILE_BYTES, parse as parse_yaml, quote as quote_yaml, read_file};
