//! What the whole-gateway tests share.
//!
//! - [`Peers`]: other people's servers, clients and the conformance suite, as `tests/peers/install` put them there.
//! - [`Backend`]: one of those servers, running on a free port. [`Gateway`]: the real binary, running on free ports.
//! - [`ConfigDir`]: a configuration directory that lasts as long as its test.
//! - [`RawClient`], [`RawDuplex`] and [`wire`]: MCP clients that send and show exact bytes.
//! - [`scenes`]: what many tests begin with.
//! - [`IdentityProvider`]: a real authorization server, which rotates its keys and fails when it is told to. [`Forger`]:
//!   keys that sign whatever a test wants to be refused. [`Loopback`]: a server that answers what a test says, and keeps
//!   what it gets.
//! - [`Ingress`]: nginx or HAProxy before a gateway. [`Prometheus`]: one that reads its metrics.
//! - [`ImageRoot`]: a root with nothing but what the container image holds.
//!
//! Everything here panics when something is wrong, because that is how a test fails, and every wait has a deadline.
//! What was started is killed when its handle is dropped.

mod backend;
mod client;
mod config_dir;
mod forger;
mod gateway;
mod identity_provider;
mod image;
mod ingress;
mod loopback;
mod metrics;
mod peers;
mod process;
mod prometheus;
mod raw_client;
mod raw_duplex;
mod recorder;
mod rmcp_client;
pub mod scenes;
mod scrape;
mod sse;
pub mod wire;

use std::future::Future;
use std::time::Duration;

pub use backend::Backend;
pub use client::{Client, Conformance, Login};
pub use config_dir::ConfigDir;
pub use forger::{Forger, Key};
pub use gateway::Gateway;
pub use identity_provider::{Failure, IdentityProvider, Tokens};
pub use image::ImageRoot;
pub use ingress::{Door, Ingress, Proxy};
pub use loopback::{Answer, Loopback, Received};
pub use peers::{Peers, skip};
pub use process::{Process, Signal, children, is_running, kill};
pub use prometheus::Prometheus;
pub use raw_client::{Exchange, RawClient, member};
pub use raw_duplex::RawDuplex;
pub use recorder::Recorder;
pub use sse::{Event, Parser};

/// The longest a test waits for one thing; generous, because two test runs may share two cores.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `work`, at most [`DEADLINE`]; `what` says in the failure what was waited for.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// Waits until `condition` holds, for what sends no event to wait for, such as the end of somebody else's child.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    within(what, async {
        while !condition() {
            ticks.tick().await;
        }
    })
    .await;
}
