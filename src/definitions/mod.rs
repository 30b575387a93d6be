//! Desired state: the objects in a configuration directory.

mod auth;
mod directory;
mod gateway;
mod mcp_server;
mod name;
mod objects;

pub use name::{dns_label, is_dns_label};
pub use objects::{API_VERSION, Objects};

use crate::backends;
use crate::catalogue::{Expose, FamilyName};
use crate::config::{Location, Problem};

/// An `MCPServer` object that is right.
#[derive(Clone, Debug)]
pub struct Server {
    /// How its backend is reached and treated.
    pub config: backends::Config,
    /// `spec.autoStart`: whether it starts with the gateway; otherwise it shows as stopped.
    pub auto_start: bool,
    /// `spec.toolPrefix`: what its names begin with instead of its own name.
    pub tool_prefix: Option<String>,
    /// `spec.family`: with whose tools its own are exposed.
    pub family: Option<FamilyName>,
    /// `spec.gateway.expose`: under which names its entries appear.
    pub expose: Expose,
    /// `spec.description`.
    pub description: Option<String>,
    /// Where the object stands.
    pub source: Location,
}

/// An object that is wrong. The others go on without it.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// `metadata.name`, if it can be read.
    pub name: Option<String>,
    /// Where the object stands.
    pub source: Location,
    /// What is wrong with it, at least one thing.
    pub problems: Vec<Problem>,
}
