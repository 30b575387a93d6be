//! The HTTP client towards backends: pooled connections of our own, over HTTP/1.1 or hyper's HTTP/2.
//!
//! A general client pays for what a gateway does not need (boxed bodies, one pool lock for all
//! threads, a task per response). Here each worker thread has its own idle connections, a request
//! goes straight to the one that was used last, and a response body brings its connection back.
//! Redirects are not followed: a backend is where its URL says. A [`Fetcher`] follows some, for
//! documents whose address somebody else may have named, and looks at every address first.

mod body;
mod client;
mod connect;
mod destination;
mod error;
mod fetch;
mod head;
mod http1;
mod pool;
mod reach;
mod timers;
mod trust;

pub use body::{Body, BodyError};
pub use client::Client;
pub use destination::{Destination, Spec, Tls};
pub use error::Error;
pub use fetch::{Bounds, FetchError, Fetcher, Guard, is_this_machine};
pub use head::Head;
pub use http1::Fault;
pub use reach::{AddressKind, Reach};
pub use timers::Timers;
pub use trust::Trust;

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
