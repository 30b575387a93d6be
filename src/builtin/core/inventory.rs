//! Every MCP server of the configuration, those with a wrong definition included, and how it is.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::backends::{BackendState, Kind, Offer, REDACTED, Transport, shown_arguments, shown_url};
use crate::definitions::{Quarantined, Server};
use crate::supervise::Registry;

/// Every MCP server of the configuration.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) registry: Arc<Registry>,
    pub(super) servers: Arc<[Server]>,
    pub(super) quarantined: Arc<[Quarantined]>,
}

/// One of them at one moment.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    /// None of one whose definition is wrong.
    pub(super) definition: Option<&'a Server>,
    /// What people call its state.
    pub(super) state: &'static str,
    pub(super) error: Option<Arc<str>>,
    /// What it offers, as long as it can be called.
    pub(super) offer: Option<Arc<Offer>>,
}

impl Inventory {
    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Known<'_>> {
        let quarantined = self.quarantined.iter().map(Known::quarantined);
        let mut all: Vec<_> = self.right().chain(quarantined).collect();
        all.sort_by_key(|known| known.name);
        all
    }

    /// The one of that name; of two with one name, one has a wrong definition, and the other one
    /// counts.
    pub(super) fn get(&self, name: &str) -> Option<Known<'_>> {
        let quarantined = self.quarantined.iter().filter(|it| it.name.is_some());
        self.right().chain(quarantined.map(Known::quarantined)).find(|known| known.name == name)
    }

    fn right(&self) -> impl Iterator<Item = Known<'_>> {
        self.servers.iter().map(|server| Known::right(server, &self.registry))
    }
}

impl<'a> Known<'a> {
    fn right(server: &'a Server, registry: &Registry) -> Self {
        let handle = registry.get(&server.config.name);
        let state = handle.map_or(BackendState::Stopped, |handle| handle.state());
        Self {
            name: &server.config.name,
            definition: Some(server),
            state: state.word(&server.config.transport),
            error: state.error().cloned(),
            offer: state.offer().cloned(),
        }
    }

    fn quarantined(object: &'a Quarantined) -> Self {
        Self {
            name: object.name(),
            definition: None,
            state: "quarantined",
            error: Some(object.error().into()),
            offer: None,
        }
    }

    /// What its definition says, without secrets, under the names of the definition.
    pub(super) fn described(&self) -> Map<String, Json> {
        let Some(server) = self.definition else { return Map::new() };
        let mut fields = Map::new();
        let mut put = |key: &str, value: Json| fields.insert(key.to_owned(), value);
        put("type", server.config.transport.name().into());
        put("autoStart", server.auto_start.into());
        put("timeout", server.config.connect_timeout.as_secs().into());
        match &server.config.transport {
            Transport::Stdio(stdio) => {
                put("command", stdio.command.as_str().into());
                if !stdio.args.is_empty() {
                    put("args", shown_arguments(&stdio.args).into());
                }
                if !stdio.env.is_empty() {
                    put("env", redacted(stdio.env.keys().map(String::as_str)));
                }
            }
            Transport::StreamableHttp(remote) | Transport::Sse(remote) => {
                let url = server.written_url.as_deref().unwrap_or(remote.url.as_str());
                put("url", shown_url(url).into());
                if !remote.headers.is_empty() {
                    put("headers", redacted(remote.headers.iter().map(|(name, _)| name.as_str())));
                }
            }
        }
        if let Some(description) = &server.description {
            put("description", description.as_str().into());
        }
        if let Some(prefix) = &server.tool_prefix {
            put("toolPrefix", prefix.as_str().into());
        }
        if let Some(family) = &server.family {
            put("family", json!({"name": &*family.name, "instanceArg": &*family.instance_arg}));
        }
        fields
    }

    /// How many tools the server itself has, as long as it can be called.
    pub(super) fn tools(&self) -> Option<usize> {
        self.count(Kind::Tool)
    }

    /// The same of anything else.
    pub(super) fn count(&self, kind: Kind) -> Option<usize> {
        self.offer.as_ref().map(|offer| offer.items(kind).len())
    }
}

fn redacted<'a>(names: impl Iterator<Item = &'a str>) -> Json {
    names.map(|name| (name.to_owned(), REDACTED.into())).collect::<Map<_, _>>().into()
}
