//! `core_mcpserver_list` and `core_mcpserver_get`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use serde_json::{Map, Value as Json, json};

use super::inventory::{Inventory, Known};
use super::status_message::status_message;
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::{Definition, Run};
use crate::call::{Call, ToolResult};
use crate::catalogue::{Entry, Role};

const LIST: Definition = Definition {
    name: "core_mcpserver_list",
    description: "Lists the MCP servers behind the gateway, each with its definition and its \
                  state. Values of variables and headers are not shown.",
    takes: &[
        Argument::optional("showAll", Takes::Flag, "Whether servers that failed are listed too"),
        Argument::optional("verbose", Takes::Flag, "Whether the errors of servers are shown"),
    ],
};

const GET: Definition = Definition {
    name: "core_mcpserver_get",
    description: "Shows one MCP server: its definition, its state, and what it failed with. Values \
                  of variables and headers are not shown.",
    takes: &[Argument::required("name", Takes::Text, "The server's name")],
};

pub(super) fn entries(inventory: &Arc<Inventory>) -> [Arc<Entry>; 2] {
    [
        LIST.entry(Role::Look, List(Arc::clone(inventory))),
        GET.entry(Role::Look, Get(Arc::clone(inventory))),
    ]
}

#[derive(Debug)]
struct List(Arc<Inventory>);

impl Run for List {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        let list = list(&self.0, call, given.flag("showAll"), given.flag("verbose"));
        future::ready(ToolResult::json(&list)).boxed()
    }
}

#[derive(Debug)]
struct Get(Arc<Inventory>);

impl Run for Get {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        let name = given.required("name");
        let result = match self.0.get(call, name) {
            Some(known) => ToolResult::json(&info(&known, true)),
            None => {
                ToolResult::error(format!("Failed to get MCP server: MCP server {name} not found"))
            }
        };
        future::ready(result).boxed()
    }
}

fn list(inventory: &Inventory, call: &Call, show_all: bool, verbose: bool) -> Json {
    let (mut servers, mut hidden) = (Vec::new(), 0);
    for known in inventory.all(call) {
        if known.state == "failed" && !show_all {
            hidden += 1;
            continue;
        }
        // Nobody finds out otherwise what is wrong with a definition.
        servers.push(info(&known, verbose || known.definition.is_none()));
    }
    let total = servers.len();
    let mut list = json!({ "mcpServers": servers, "total": total, "mode": "filesystem" });
    if hidden > 0 {
        list["hiddenFailed"] = json!(hidden);
        list["hint"] = json!(
            "servers that failed are hidden; showAll: true lists them, verbose: true says why"
        );
    }
    list
}

fn info(known: &Known<'_>, with_error: bool) -> Json {
    let mut info = Map::new();
    info.insert("name".to_owned(), known.name.into());
    info.insert("state".to_owned(), capitalised(known.state).into());
    if let Some(message) = status_message(known) {
        info.insert("statusMessage".to_owned(), message.into());
    }
    if let Some(tools) = known.tools() {
        info.insert("toolsCount".to_owned(), tools.into());
    }
    if let Some(error) = known.error.as_deref().filter(|_| with_error) {
        info.insert("error".to_owned(), error.into());
    }
    info.extend(known.described());
    info.into()
}

/// How a custom resource spells a state.
fn capitalised(state: &str) -> String {
    let mut letters = state.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
