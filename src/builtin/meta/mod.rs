//! The meta-tools: a small way to a large number of tools, resources and prompts.

mod filter;
mod indent;
mod item;
mod pattern;
mod prompts;
mod resources;
mod spellings;
mod tools;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::Parts;
use super::arguments::Given;
use super::tool::{Definition, Run};
use crate::backends::Background;
use crate::call::{Call, Endpoint, Error, ToolResult};
use crate::catalogue::{Catalogue, Entry, Face, Kind, Role, Visibility};
use item::Object;

/// With how many items a face is read by the worker itself. Reading takes some 20 us for each, and
/// what takes more than a millisecond leaves the worker.
const MAX_ITEMS_INLINE: usize = 64;

/// The eleven, in the order of lists.
pub(super) fn entries(parts: &Parts) -> Vec<Arc<Entry>> {
    let sight =
        Sight { catalogue: Arc::clone(&parts.catalogue), background: parts.background.clone() };
    let looks = [tools::LOOKS, filter::LOOKS, resources::LOOKS, prompts::LOOKS].concat();
    let look = |(definition, answer): (Definition, Answer)| {
        definition.entry(Role::Meta, Look { sight: sight.clone(), answer })
    };
    looks.into_iter().map(look).chain(spellings::entries()).collect()
}

/// What a meta-tool answers, from what a client sees.
type Answer = fn(&Scene, &Given) -> ToolResult;

/// What a client sees.
struct Scene {
    catalogue: Arc<Catalogue>,
    face: Arc<Face>,
    endpoint: Endpoint,
    visibility: Visibility,
}

impl Scene {
    /// Why there is nothing of that name: the text of its own kind, or that its backend is down.
    fn missing(&self, kind: Kind, key: &str, not_found: &str) -> ToolResult {
        ToolResult::error(
            match self.catalogue.missing(&self.endpoint, kind, key, self.visibility) {
                Error::UnknownTool(_) | Error::UnknownPrompt(_) | Error::UnknownResource(_) => {
                    format!("{not_found}: {key}")
                }
                down => down.to_string(),
            },
        )
    }

    /// All that a backend says of one thing, and where it is from.
    fn describe(&self, kind: Kind, key: &str, first: &[&str]) -> Option<ToolResult> {
        let item = self.face.item(kind, key).filter(|item| !item.is_meta())?;
        Some(json(&Object::of(item).told(item, first)))
    }
}

fn json(value: &impl Serialize) -> ToolResult {
    let text = serde_json::to_string(value).expect("what we say ourselves is JSON");
    ToolResult::text(indent::indented(&text))
}

#[derive(Clone)]
struct Sight {
    catalogue: Arc<Catalogue>,
    background: Background,
}

/// A meta-tool that looks at what the client sees.
struct Look {
    sight: Sight,
    answer: Answer,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

impl Run for Look {
    fn run<'a>(&'a self, call: &'a Call, given: Given) -> BoxFuture<'a, ToolResult> {
        Box::pin(async move {
            let Sight { catalogue, background } = &self.sight;
            let view = catalogue.view(&call.client, &call.principal);
            let Some(face) = catalogue.settled(&call.endpoint, &view).await else {
                return ToolResult::error("this endpoint shows no server");
            };
            let (catalogue, endpoint) = (Arc::clone(catalogue), call.endpoint.clone());
            let scene = Scene { catalogue, face, endpoint, visibility: view.visibility };
            let items: usize = Kind::ALL.iter().map(|kind| scene.face.items(*kind).len()).sum();
            if items <= MAX_ITEMS_INLINE {
                return (self.answer)(&scene, &given);
            }
            let answer = self.answer;
            let work = move || answer(&scene, &given);
            let done = background.tasks.spawn_blocking_on(work, &background.runtime);
            done.await.unwrap_or_else(|_| ToolResult::error("the gateway is shutting down"))
        })
    }
}
