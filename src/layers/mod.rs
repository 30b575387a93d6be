//! Tower layers; `app.rs` alone puts them in order.

pub mod call;
pub mod http;
pub mod rate;

mod identity;
