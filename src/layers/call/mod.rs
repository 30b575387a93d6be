//! The layers of the call stack, one file each: `Service<Call>` outside, `Service<Routed>` inside.

pub mod dispatch;
mod envelope;
pub mod policy;
pub mod record;
pub mod resolve;
mod spelling;
pub mod tool_limits;

pub use envelope::Render;

use crate::call::Call;
use crate::catalogue::{Route, Visibility};
use crate::mcp::Method;

/// A call whose destination is known: the layers behind `resolve` see the real tool, and no call
/// is judged under one name and sent under another.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The call as it came.
    pub call: Call,
    /// Where it goes.
    pub route: Route,
    /// What rules apply to who makes it.
    pub visibility: Visibility,
}

/// A tool by the names that rules and people know it by.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// Its backend's name; our own, if it is ours.
    pub backend: &'a str,
    /// What the backend calls it.
    pub original: &'a str,
    /// What we call it.
    pub exposed: &'a str,
}

impl Routed {
    /// The tool that is called, if one is; at a backend's own endpoint also one that it did not
    /// list.
    pub fn tool(&self) -> Option<Tool<'_>> {
        let request = &self.call.request;
        if request.method() != Method::CallTool {
            return None;
        }
        match &self.route {
            Route::Entry(entry) => Some(Tool {
                backend: entry.server(),
                original: &entry.original,
                exposed: &entry.exposed,
            }),
            Route::Backend(backend) => {
                let name = &request.params().name.as_ref()?.value;
                Some(Tool { backend: backend.name(), original: name, exposed: name })
            }
            Route::List(_) => None,
        }
    }
}
