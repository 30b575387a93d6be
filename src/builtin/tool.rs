//! A tool of ours, from its definition to its answer.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::arguments::{Argument, Given, schema};
use crate::call::{Builtin, Call, Error, Reply, Spelling, ToolResult};
use crate::catalogue::{Entry, Hints, Kind, Role, Source};

/// What a list says of a tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) takes: &'static [Argument],
}

/// Answers calls of one tool, whose arguments have been checked.
pub(super) trait Run: Debug + Send + Sync + 'static {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult>;
}

impl Definition {
    /// The tool as an entry of the catalogue.
    pub(super) fn entry(self, role: Role, run: impl Run) -> Arc<Entry> {
        let builtin = Arc::new(Tool { definition: self, role, run: Arc::new(run) });
        let is_read_only = role != Role::Change;
        self.entry_of(Source::Own { role, builtin }, is_read_only)
    }

    /// A tool that stands for a request of another kind.
    pub(super) fn spelling(self, spelling: Spelling) -> Arc<Entry> {
        self.entry_of(Source::Spelling(spelling), spelling != Spelling::CallTool)
    }

    fn entry_of(self, source: Source, is_read_only: bool) -> Arc<Entry> {
        let name: Arc<str> = self.name.into();
        let item = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": schema(self.takes),
            "annotations": { "readOnlyHint": is_read_only },
        });
        let item: Bytes = item.to_string().into();
        Arc::new(Entry {
            kind: Kind::Tool,
            exposed: name.clone(),
            original: name,
            source,
            item,
            hints: Hints::WORST,
        })
    }
}

#[derive(Debug)]
struct Tool<R> {
    definition: Definition,
    role: Role,
    run: Arc<R>,
}

impl<R: Run> Builtin for Tool<R> {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Error>> {
        let noun = if self.role == Role::Meta { " argument" } else { "" };
        let (takes, run) = (self.definition.takes, Arc::clone(&self.run));
        Box::pin(async move {
            let id = call.request.id().clone();
            let span = call.request.params().arguments;
            let given = span.map_or(&b"{}"[..], |span| call.request.message().bytes(span));
            let result = match Given::check(given, takes, noun) {
                Ok(given) => run.run(&call, given).await,
                Err(text) => ToolResult::error(text),
            };
            Ok(result.reply(&id))
        })
    }
}
