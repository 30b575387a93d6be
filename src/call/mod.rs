//! What passes through the call stack: a [`Call`] goes in, a [`Reply`] or an [`Error`] comes out.
//!
//! The call stack knows MCP and not HTTP. It is made of Tower layers over
//! `Service<Call, Response = Reply, Error = Error>`.

mod arguments;
mod aside;
mod builtin;
mod error;
mod event;
mod notes;
mod outcome;
mod principal;
mod reply;
mod request;
mod session;
mod tool_result;

pub use arguments::refuse_unknown;
pub use aside::Aside;
pub use builtin::{Builtin, Spelling};
pub use error::{Error, retry_seconds};
pub use event::{Answer, Event, Responder, Response};
pub use notes::Notes;
pub use outcome::Outcome;
pub use principal::{Names, Principal, PrincipalKind, issuer};
pub use reply::{Body, Events, Reply};
pub use request::{Call, Client, Endpoint, Request, Via};
pub use session::SessionId;
pub use tool_result::ToolResult;

#[cfg(test)]
pub(crate) mod tests;
