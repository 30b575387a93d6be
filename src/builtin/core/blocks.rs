//! `core_tool_block`, `core_tool_unblock` and `core_tool_blocks`: which tools of servers nobody may
//! use.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};

use crate::builtin::Parts;
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::{Definition, Run};
use crate::call::{Call, Endpoint, Error, ToolResult};
use crate::catalogue::{Catalogue, Entry, Kind, Named, Role, Source, View};
use crate::policy::{Block, BlockedTool, Gate};

const TAKES: &[Argument] = &[
    Argument::required(
        "name",
        Takes::Text,
        "The tool's exposed name, as list_tools gives it; with server also the name that the \
         server itself gives it",
    ),
    Argument::optional(
        "server",
        Takes::Text,
        "The server whose tool is meant; without it a tool of a family is meant on all its servers",
    ),
];

const BLOCK: Definition = Definition {
    name: "core_tool_block",
    description: "Blocks a tool of a server: from now on nobody sees it in a list and nobody can \
                  call it, by whatever name. Calls under way finish. It holds until \
                  core_tool_unblock lifts it or the gateway restarts; denylist.block in config.yaml \
                  is for good.",
    takes: TAKES,
};

const UNBLOCK: Definition = Definition {
    name: "core_tool_unblock",
    description: "Lifts what core_tool_block did. What the configuration blocks stays blocked; \
                  core_tool_blocks tells which rule does.",
    takes: TAKES,
};

const BLOCKS: Definition = Definition {
    name: "core_tool_blocks",
    description: "Lists the tools of servers that are blocked, each with the rule that blocks it \
                  (denylist, a rule of denylist.block, or runtime for core_tool_block) and how to \
                  lift that.",
    takes: &[],
};

pub(super) fn entries(parts: &Parts) -> [Arc<Entry>; 3] {
    let tools = || Tools::new(parts);
    [
        BLOCK.entry(Role::Change, BlockTool(tools())),
        UNBLOCK.entry(Role::Change, Unblock(tools())),
        BLOCKS.entry(Role::Look, List(tools())),
    ]
}

#[derive(Debug)]
struct BlockTool(Tools);

#[derive(Debug)]
struct Unblock(Tools);

#[derive(Debug)]
struct List(Tools);

impl Run for BlockTool {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        Box::pin(ready(answer(self.0.block(call, &given))))
    }
}

impl Run for Unblock {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        Box::pin(ready(answer(self.0.unblock(call, &given))))
    }
}

impl Run for List {
    fn run<'a>(&'a self, call: &'a Call, _given: Given) -> BoxFuture<'a, ToolResult> {
        Box::pin(ready(ToolResult::json(&self.0.list(call))))
    }
}

fn answer(text: Result<String, String>) -> ToolResult {
    text.map_or_else(ToolResult::error, ToolResult::text)
}

/// The tools of all servers, and what is said of them.
pub(super) struct Tools {
    catalogue: Arc<Catalogue>,
    gate: Arc<Gate>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Tools {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { catalogue: Arc::clone(&parts.catalogue), gate: Arc::clone(&parts.gate) }
    }

    fn block(&self, call: &Call, given: &Given) -> Result<String, String> {
        let mut lines = Vec::new();
        for tool in self.meant(call, given)? {
            let is_new = self.gate.block(&tool).map_err(|error| error.to_string())?;
            let already = if is_new { "" } else { "already " };
            let tool = said(&tool.server, &tool.tool);
            lines.push(format!(
                "{tool} is {already}blocked, until core_tool_unblock lifts it or the gateway \
                 restarts"
            ));
        }
        Ok(lines.join("\n"))
    }

    /// An error unless something was lifted and nothing else stands in the way.
    fn unblock(&self, call: &Call, given: &Given) -> Result<String, String> {
        let (mut lines, mut was_lifted, mut is_free) = (Vec::new(), false, true);
        for BlockedTool { server, tool, .. } in self.blocked_or_meant(call, given)? {
            let lifted = self.gate.unblock(&server, &tool);
            was_lifted |= lifted;
            lines.push(match self.gate.block_of(&server, &tool) {
                Some(block) => {
                    is_free = false;
                    block.message(&server, &tool)
                }
                None if lifted => format!("{} is not blocked any more", said(&server, &tool)),
                None => format!("{} is not blocked", said(&server, &tool)),
            });
        }
        let text = lines.join("\n");
        if was_lifted && is_free { Ok(text) } else { Err(text) }
    }

    /// What was blocked under that name, which may not be exposed any more, else what is exposed.
    fn blocked_or_meant(&self, call: &Call, given: &Given) -> Result<Vec<BlockedTool>, String> {
        let (name, server) = (given.required("name"), given.text("server"));
        let is_meant = |it: &&BlockedTool| match server {
            Some(server) => *it.server == *server && (*it.tool == *name || *it.exposed == *name),
            None => *it.exposed == *name,
        };
        let blocked = self.gate.blocked_at_runtime();
        let blocked: Vec<_> = blocked.iter().filter(is_meant).cloned().collect();
        if blocked.is_empty() { self.meant(call, given) } else { Ok(blocked) }
    }

    /// The tools that the arguments name.
    fn meant(&self, call: &Call, given: &Given) -> Result<Vec<BlockedTool>, String> {
        let (name, server) = (given.required("name"), given.text("server"));
        let view = self.catalogue.view(&call.client, &call.principal);
        let exposed = self.catalogue.resolve_tool(&Endpoint::Aggregate, name, &view);
        let Some(server) = server else {
            return exposed_tools(name, exposed);
        };
        let endpoint = Endpoint::Server(server.into());
        if self.catalogue.backend(&endpoint).is_none() {
            return Err(format!("there is no server {server:?}"));
        }
        // Its own name first: that is what the server was given for.
        let own = self.catalogue.resolve_tool(&endpoint, name, &view);
        let found = own.as_ref().or(exposed.as_ref()).and_then(|named| match named {
            Named::Entry(entry) => Some(entry).filter(|entry| entry.server() == server),
            Named::Family(family) => family.instance(server),
        });
        match found.and_then(|entry| self.tool(entry, &view)) {
            Some(tool) => Ok(vec![tool]),
            None => {
                Err(match self.catalogue.missing(&endpoint, Kind::Tool, name, view.visibility) {
                    Error::UnknownTool(_) => format!("server {server} lists no tool {name:?}"),
                    is_down => is_down.to_string(),
                })
            }
        }
    }

    /// A tool under the name it is exposed as, even if it was found by its own.
    fn tool(&self, entry: &Arc<Entry>, view: &View) -> Option<BlockedTool> {
        let mut tool = blocked_tool(entry)?;
        let exposed = self.exposed(view);
        if let Some(name) = exposed.get(&(tool.server.clone(), tool.tool.clone())) {
            tool.exposed = Arc::clone(name);
        }
        Some(tool)
    }

    /// What every tool of a server is exposed as, to this client.
    fn exposed(&self, view: &View) -> BTreeMap<(Arc<str>, Arc<str>), Arc<str>> {
        let Some(face) = self.catalogue.face(&Endpoint::Aggregate, view) else {
            return BTreeMap::new();
        };
        let shown = face.items(Kind::Tool).iter().map(|item| &item.named);
        let entries = shown.chain(face.hidden(Kind::Tool)).flat_map(|named| match named {
            Named::Entry(entry) => vec![entry],
            Named::Family(family) => family.all().collect(),
        });
        let tools = entries.filter_map(blocked_tool);
        tools.map(|it| ((it.server, it.tool), it.exposed)).collect()
    }

    /// What is blocked, each with its rule, and what is not offered now.
    pub(super) fn list(&self, call: &Call) -> Value {
        let view = self.catalogue.view(&call.client, &call.principal);
        let exposed = self.exposed(&view);
        let face = self.catalogue.face(&Endpoint::Aggregate, &view);
        let nameless = face.iter().flat_map(|face| face.collisions());
        let nameless = nameless.filter(|it| it.kind == Kind::Tool);
        // What another server's tool has the name of can be called at its server's own endpoint.
        let mut tools: BTreeMap<_, _> =
            nameless.map(|it| ((it.hidden.clone(), it.original.clone()), None)).collect();
        tools.extend(exposed.into_iter().map(|(tool, name)| (tool, Some(name))));
        let is_told = |server: &str, tool: &str| self.gate.tells_of(&call.principal, server, tool);
        let told = tools.iter().filter(|((server, tool), _)| is_told(server, tool));
        let blocked = told.filter_map(|((server, tool), name)| {
            let block = self.gate.block_of(server, tool)?;
            Some(row(server, tool, name.as_deref(), block))
        });
        let blocked: Vec<_> = blocked.collect();
        let runtime = self.gate.blocked_at_runtime();
        let gone = runtime
            .iter()
            .filter(|it| !tools.contains_key(&(Arc::clone(&it.server), Arc::clone(&it.tool))));
        let gone: Vec<_> = gone
            .filter(|it| is_told(&it.server, &it.tool))
            .filter_map(|it| {
                let block = self.gate.block_of(&it.server, &it.tool)?;
                Some(row(&it.server, &it.tool, None, block))
            })
            .collect();
        let mut list = json!({ "tools": blocked, "total": blocked.len() });
        if !gone.is_empty() {
            list["notOfferedNow"] = gone.into();
        }
        list
    }
}

/// The tools of servers that are exposed under a name.
fn exposed_tools(name: &str, exposed: Option<Named>) -> Result<Vec<BlockedTool>, String> {
    let entries = match exposed {
        Some(Named::Entry(entry)) if entry.backend().is_none() => {
            return Err(format!(
                "{name} is one of the gateway's own tools, and none of those can be \
                                blocked"
            ));
        }
        Some(Named::Entry(entry)) => vec![entry],
        Some(Named::Family(family)) => family.all().cloned().collect(),
        None => {
            return Err(format!(
                "tool not found: {name}; give an exposed name, or the server and the name that it \
                 gives the tool"
            ));
        }
    };
    Ok(entries.iter().filter_map(blocked_tool).collect())
}

fn blocked_tool(entry: &Arc<Entry>) -> Option<BlockedTool> {
    let Source::Backend(backend) = &entry.source else { return None };
    let server = Arc::clone(backend.name());
    Some(BlockedTool { server, tool: entry.original.clone(), exposed: entry.exposed.clone() })
}

fn row(server: &str, tool: &str, exposed: Option<&str>, block: Block<'_>) -> Value {
    json!({
        "server": server,
        "tool": tool,
        "name": exposed,
        "rule": block.to_string(),
        "lift": block.cure(server, tool),
    })
}

fn said(server: &str, tool: &str) -> String {
    format!("tool {tool:?} of server {server}")
}
