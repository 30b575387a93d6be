//! The resource `auth://status`: which servers can be used, and which want something first.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;

use super::Parts;
use super::reach::Reach;
use crate::backends::BackendState;
use crate::call::{Builtin, Call, Error, Reply, Response};
use crate::catalogue::{Entry, Hints, Kind, Role, Source};
use crate::mcp::{Method, response};
use crate::supervise::Registry;

const URI: &str = "auth://status";
const MIME_TYPE: &str = "application/json";

pub(super) fn entry(parts: &Parts) -> Arc<Entry> {
    let item: Bytes = json!({
        "uri": URI,
        "name": "Authentication status",
        "description": "Each MCP server behind this gateway, and whether it can be used.",
        "mimeType": MIME_TYPE,
    })
    .to_string()
    .into();
    let registry = Arc::clone(&parts.registry);
    let builtin = Arc::new(AuthStatus { registry, reach: Reach::new(parts) });
    Arc::new(Entry {
        kind: Kind::Resource,
        exposed: URI.into(),
        original: URI.into(),
        source: Source::Own { role: Role::Look, builtin },
        item,
        hints: Hints::WORST,
    })
}

struct AuthStatus {
    registry: Arc<Registry>,
    reach: Reach,
}

impl fmt::Debug for AuthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthStatus")
    }
}

#[derive(Serialize)]
struct Status {
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    name: Arc<str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Arc<str>>,
}

impl AuthStatus {
    fn read(&self, call: &Call) -> Status {
        let told = self.registry.handles().filter(|it| self.reach.look(call, it).is_some());
        let servers = told.map(|handle| {
            let state = handle.state();
            let (name, error) = (Arc::clone(handle.name()), state.error().cloned());
            Server { name, status: word(&state), error }
        });
        Status { servers: servers.collect() }
    }
}

/// In the words of whoever reads this resource: a server that has yet to start is no failure.
fn word(state: &BackendState) -> &'static str {
    match state {
        BackendState::Running(_) => "connected",
        BackendState::Stopped | BackendState::Starting => "disconnected",
        BackendState::Failed { .. } => "failed",
    }
}

impl Builtin for AuthStatus {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Error>> {
        let result = match call.request.method() {
            Method::ReadResource => {
                let text = serde_json::to_string_pretty(&self.read(&call));
                let text = text.expect("what we say ourselves is JSON");
                Ok(json!({ "contents": [{ "uri": URI, "mimeType": MIME_TYPE, "text": text }] }))
            }
            // It has no variables.
            Method::Complete => Ok(json!({ "completion": { "values": [], "total": 0 } })),
            _ => Err(Error::UnknownMethod(call.request.message().method_name().into())),
        };
        let reply = result.map(|result| {
            let bytes = response::result(call.request.id(), result.to_string().as_bytes());
            Reply::message(Response::ok(bytes))
        });
        Box::pin(std::future::ready(reply))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn states_are_told_in_words_of_their_own() {
        let failed = BackendState::Failed { error: "no".into(), since: Instant::now(), last: None };
        for (state, expected) in [
            (BackendState::Stopped, "disconnected"),
            (BackendState::Starting, "disconnected"),
            (failed, "failed"),
        ] {
            assert_eq!(word(&state), expected, "{state:?}");
        }
    }
}
