//! What Portcullis itself offers.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::{Call, Error, Reply};

/// A tool or resource of Portcullis itself: listed, resolved, limited and recorded like those of
/// backends, and answered here.
pub trait Builtin: Debug + Send + Sync + 'static {
    /// Answers a call that names it.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Error>>;
}

/// A tool that stands for a request of another kind. What it means is found out when it is resolved,
/// so that everything after that judges the real thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// `call_tool`: a `tools/call`.
    CallTool,
    /// `get_resource`: a `resources/read`.
    GetResource,
    /// `get_prompt`: a `prompts/get`.
    GetPrompt,
}
