//! Every MCP server of the configuration, those with a wrong definition included, and how it is.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::backends::{BackendState, Kind, REDACTED, Transport, shown_arguments, shown_url};
use crate::builtin::reach::{Counts, Reach};
use crate::call::Call;
use crate::definitions::{Quarantined, Server};
use crate::supervise::Registry;

/// Every MCP server of the configuration.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) registry: Arc<Registry>,
    pub(super) servers: Arc<[Server]>,
    pub(super) quarantined: Arc<[Quarantined]>,
    pub(super) reach: Reach,
}

/// One of them at one moment.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    /// Whether that is its name; else it says where its definition is.
    is_named: bool,
    /// None of one whose definition is wrong.
    pub(super) definition: Option<&'a Server>,
    /// What people call its state.
    pub(super) state: &'static str,
    pub(super) error: Option<Arc<str>>,
    /// How much it offers to the caller, as long as it can be called.
    pub(super) counts: Option<Counts>,
}

impl Inventory {
    /// All that a caller is told of, by name.
    pub(super) fn all(&self, call: &Call) -> Vec<Known<'_>> {
        let mut all: Vec<_> = self.right(call).chain(self.wrong(call)).collect();
        all.sort_by_key(|known| known.name);
        all
    }

    /// The one of that name; of two with one name, one has a wrong definition, and the other one
    /// counts.
    pub(super) fn get(&self, call: &Call, name: &str) -> Option<Known<'_>> {
        let right = self.servers.iter().filter(|server| *server.config.name == *name);
        let mut right = right.filter_map(|server| self.known(call, server));
        let wrong = || self.wrong(call).find(|known| known.is_named && known.name == name);
        right.next().or_else(wrong)
    }

    fn right(&self, call: &Call) -> impl Iterator<Item = Known<'_>> {
        self.servers.iter().filter_map(|server| self.known(call, server))
    }

    fn known<'a>(&self, call: &Call, server: &'a Server) -> Option<Known<'a>> {
        let Some(handle) = self.registry.get(&server.config.name) else {
            return self
                .reach
                .is_everything(call)
                .then(|| Known::right(server, &BackendState::Stopped, None));
        };
        let seen = self.reach.look(call, handle)?;
        Some(Known::right(server, &handle.state(), seen.counts))
    }

    /// Those with a wrong definition are the business of whoever can correct it.
    fn wrong(&self, call: &Call) -> impl Iterator<Item = Known<'_>> {
        let is_told = self.reach.is_everything(call);
        self.quarantined.iter().filter(move |_| is_told).map(Known::quarantined)
    }
}

impl<'a> Known<'a> {
    fn right(server: &'a Server, state: &BackendState, counts: Option<Counts>) -> Self {
        Self {
            is_named: true,
            name: &server.config.name,
            definition: Some(server),
            state: state.word(&server.config.transport),
            error: state.error().cloned(),
            counts,
        }
    }

    fn quarantined(object: &'a Quarantined) -> Self {
        Self {
            is_named: object.name.is_some(),
            name: object.name(),
            definition: None,
            state: "quarantined",
            error: Some(object.error().into()),
            counts: None,
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

    /// How many tools the server itself has for the caller, as long as it can be called.
    pub(super) fn tools(&self) -> Option<usize> {
        self.count(Kind::Tool)
    }

    /// The same of anything else.
    pub(super) fn count(&self, kind: Kind) -> Option<usize> {
        self.counts.map(|counts| counts[kind as usize])
    }
}

fn redacted<'a>(names: impl Iterator<Item = &'a str>) -> Json {
    names.map(|name| (name.to_owned(), REDACTED.into())).collect::<Map<_, _>>().into()
}
