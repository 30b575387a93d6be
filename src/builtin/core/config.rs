//! `core_config_get`.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use serde_json::Value as Json;

use crate::builtin::Parts;
use crate::builtin::arguments::Given;
use crate::builtin::tool::{Definition, Run};
use crate::call::{Call, ToolResult};
use crate::catalogue::{Entry, Role};

const GET: Definition = Definition {
    name: "core_config_get",
    description: "Shows the configuration of the gateway as it is in effect: every key of \
                  config.yaml, defaults included, as JSON. Of keys only the files are shown.",
    takes: &[],
};

pub(super) fn entry(parts: &Parts) -> Arc<Entry> {
    GET.entry(Role::Inspect, Get(Arc::clone(&parts.set_up.config)))
}

#[derive(Debug)]
struct Get(Arc<Json>);

impl Run for Get {
    fn run<'a>(&'a self, _call: &'a Call, _given: Given) -> BoxFuture<'a, ToolResult> {
        future::ready(ToolResult::json(&self.0)).boxed()
    }
}
