//! `core_service_list` and `core_service_status`.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use serde_json::{Value as Json, json};

use super::blocks;
use super::inventory::{Inventory, Known};
use crate::builtin::Parts;
use crate::builtin::arguments::{Argument, Given, Takes};
use crate::builtin::tool::{Definition, Run};
use crate::call::{Call, Endpoint, ToolResult};
use crate::catalogue::{Catalogue, Entry, Face, Kind, Role};

const LIST: Definition = Definition {
    name: "core_service_list",
    description: "Lists what the gateway runs: itself, and each MCP server, with state and health.",
    takes: &[],
};

const STATUS: Definition = Definition {
    name: "core_service_status",
    description: "Shows one service of the gateway, with state and health.",
    takes: &[Argument::required(
        "name",
        Takes::Text,
        "An MCP server's name, or mcp-aggregator for the gateway itself",
    )],
};

/// The gateway itself, as a service.
const AGGREGATOR: &str = "mcp-aggregator";

pub(super) fn entries(inventory: &Arc<Inventory>, parts: &Parts) -> [Arc<Entry>; 2] {
    let services = Arc::new(Services {
        inventory: Arc::clone(inventory),
        catalogue: Arc::clone(&parts.catalogue),
        tools: blocks::Tools::new(parts),
        endpoint: Arc::clone(&parts.set_up.endpoint),
        transport: parts.set_up.config["aggregator"]["transport"].clone(),
    });
    [
        LIST.entry(Role::Look, List(Arc::clone(&services))),
        STATUS.entry(Role::Look, Status(services)),
    ]
}

struct Services {
    inventory: Arc<Inventory>,
    catalogue: Arc<Catalogue>,
    tools: blocks::Tools,
    endpoint: Arc<str>,
    transport: Json,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct List(Arc<Services>);

impl Run for List {
    fn run<'a>(&'a self, call: &'a Call, _given: Given) -> BoxFuture<'a, ToolResult> {
        let mut services = vec![self.0.aggregator(call)];
        services.extend(self.0.inventory.all(call).iter().map(service));
        let total = services.len();
        let list = json!({ "services": services, "total": total });
        future::ready(ToolResult::json(&list)).boxed()
    }
}

#[derive(Debug)]
struct Status(Arc<Services>);

impl Run for Status {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        let name = given.required("name");
        let status = match name {
            AGGREGATOR => Some(self.0.aggregator(call)),
            name => self.0.inventory.get(call, name).as_ref().map(service),
        };
        let result = match status {
            Some(status) => ToolResult::json(&status),
            None => {
                ToolResult::error(format!("Failed to get service status: service {name} not found"))
            }
        };
        future::ready(result).boxed()
    }
}

impl Services {
    /// The gateway itself; what it counts is what the caller sees of the servers' offers.
    fn aggregator(&self, call: &Call) -> Json {
        let view = self.catalogue.view(&call.client, &call.principal);
        let face = self.catalogue.face(&Endpoint::Aggregate, &view);
        let count = |kind| face.as_ref().map_or(0, |face| offered(face, kind));
        let all = self.inventory.all(call);
        json!({
            "name": AGGREGATOR,
            "service_type": "Aggregator",
            "state": "running",
            "health": "healthy",
            "metadata": {
                "endpoint": &*self.endpoint,
                "transport": self.transport,
                "tools": count(Kind::Tool),
                "resources": count(Kind::Resource),
                "prompts": count(Kind::Prompt),
                "blocked_tools": self.blocked(call),
                "servers_connected": all.iter().filter(|known| known.counts.is_some()).count(),
                "servers_total": all.len(),
                "event_handler_running": self.catalogue.is_kept_up_to_date(),
            },
        })
    }

    /// The tools that the servers offer and nobody may use.
    fn blocked(&self, call: &Call) -> Vec<Json> {
        let mut list = self.tools.list(call);
        let mut blocked = list["tools"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for tool in &mut blocked {
            tool["blocked"] = true.into();
        }
        blocked
    }
}

/// How many things of backends there are; a family is one.
fn offered(face: &Face, kind: Kind) -> usize {
    let is_ours = |entry: &Arc<Entry>| entry.backend().is_none();
    face.items(kind).iter().filter(|item| !item.named.entry().is_some_and(is_ours)).count()
}

fn service(known: &Known<'_>) -> Json {
    let mut metadata = known.described();
    let counts = [("tools", Kind::Tool), ("resources", Kind::Resource), ("prompts", Kind::Prompt)];
    for (key, kind) in counts {
        if let Some(count) = known.count(kind) {
            metadata.insert(key.to_owned(), count.into());
        }
    }
    let mut service = json!({
        "name": known.name,
        "service_type": "MCPServer",
        "state": known.state,
        "health": health(known.state),
    });
    if let Some(error) = known.error.as_deref() {
        service["error"] = error.into();
    }
    if !metadata.is_empty() {
        service["metadata"] = metadata.into();
    }
    service
}

fn health(state: &str) -> &'static str {
    match state {
        "running" | "connected" => "healthy",
        "failed" | "quarantined" => "unhealthy",
        _ => "unknown",
    }
}
