//! `catalogue` of `config.yaml`, and `spec.gateway.expose` of an MCP server.

use std::ops::Range;
use std::time::Duration;

use super::cursor::Part;
use super::list::Listed;
use crate::backends::Kind;
use crate::config::{Fields, Section};

/// How long the catalogue waits and remembers.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a crashed backend keeps its last known tools.
    pub grace: Duration,
    /// How long a list waits at most for backends in their first start.
    pub first_list_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { grace: Duration::from_mins(5), first_list_wait: Duration::from_secs(3) }
    }
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("grace", &mut self.grace);
        fields.set("firstListWait", &mut self.first_list_wait);
    }
}

/// `aggregator.exposure`: what list requests at `/mcp` show. Every exposed name can be used in each
/// of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// The meta-tools, and what of Portcullis' own is no tool.
    #[default]
    Meta,
    /// Everything but the meta-tools.
    Native,
    /// Everything.
    Both,
}

impl Exposure {
    /// The values of the key.
    pub const NAMES: [(&'static str, Self); 3] =
        [("meta", Self::Meta), ("native", Self::Native), ("both", Self::Both)];

    /// Which of the items, in the order of lists, are shown.
    pub(super) fn range(self, kind: Kind, items: &[Listed]) -> Range<usize> {
        let before = |part: Part| items.partition_point(|item| item.place.part < part);
        match self {
            Self::Meta if kind == Kind::Tool => 0..before(Part::Own),
            Self::Meta => 0..before(Part::Solo),
            Self::Native => before(Part::Own)..items.len(),
            Self::Both => 0..items.len(),
        }
    }
}

/// `spec.gateway.expose`: under which names a backend's entries appear. URIs stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expose {
    /// What stands before the names of tools and prompts.
    pub prefix: Prefix,
}

/// `spec.gateway.expose.prefix`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// `{musterPrefix}_{toolPrefix or server}_`.
    #[default]
    Server,
    /// Nothing: the backend's own names.
    None,
}

impl Section for Expose {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.choose("prefix", &mut self.prefix, &[("none", Prefix::None)], &[]);
        fields.choose("uris", &mut (), &[("keep", ())], &[]);
    }
}
