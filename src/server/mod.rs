//! Sockets to responses: listeners, TLS, workers, HTTP/1.1 and HTTP/2 connections, and the drain.
//!
//! One acceptor deals sockets to single-threaded workers. Each worker builds its own service, so
//! nothing on the way of a request hops between threads.
//!
//! ```no_run
//! # use std::{convert::Infallible, time::Duration};
//! # use portcullis::server::{self, Body, Listeners, Options, Shutdown, Signals};
//! # async fn run() -> std::io::Result<()> {
//! let listeners = Listeners::bind("localhost", 8090).map_err(std::io::Error::other)?;
//! let shutdown = Shutdown::new();
//! let signals = Signals::install()?;
//! let service = tower::service_fn(|_request| async {
//!     Ok::<_, Infallible>(http::Response::new(Body::from("hello")))
//! });
//! let (drained, ()) = tokio::join!(
//!     server::serve(listeners, Options::default(), &shutdown, move |_worker| service),
//!     shutdown.follow(signals),
//! );
//! println!("{} connections were cut", drained?.cut);
//! # Ok(())
//! # }
//! ```

mod accept;
mod body;
mod config;
mod connection;
mod head_timer;
mod listeners;
mod peer;
mod serve;
mod shutdown;
mod simple;
mod tls;
mod worker;

pub use body::{Body, BoxError};
pub use config::{Aggregator, Http, OAUTH_SERVER_ADVICE, Transport};
pub use connection::{HttpService, Lasting};
pub use listeners::{BindError, Listeners};
pub use peer::Peer;
pub use serve::{Drained, Options, serve};
pub use shutdown::{Shutdown, Signal, Signals};
pub use simple::serve_simple;
pub use tls::{Acceptor, Files, Tls, Unusable};
pub use worker::Worker;

#[cfg(test)]
mod tests;
