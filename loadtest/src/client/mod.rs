//! The MCP client: a keep-alive HTTP/1.1 connection, and sessions that are used on it.

mod answer;
mod body;
mod connection;
mod request;
mod session;

pub(crate) use answer::{Answered, check, message};
pub(crate) use connection::Connection;
pub(crate) use request::{LIST_ID, Requests};
pub(crate) use session::Session;
