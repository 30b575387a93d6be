//! `catalogue` of `config.yaml`, and `spec.gateway.expose` of an MCP server.

use std::time::Duration;

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
