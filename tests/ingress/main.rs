//! The gateway behind real ingresses, configured as docs/ingress.md says, and before a real Prometheus.

mod limits;
mod names;
mod page;
mod prometheus;
mod replicas;
mod sse;
mod streams;

use std::pin::Pin;

use portcullis_test_support::{Peers, Proxy};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The peers, if both ingresses are there too.
fn installed() -> Option<Peers> {
    Peers::with(&["nginx", "haproxy"])
}

/// Runs a test behind nginx and behind HAProxy at the same time.
fn behind_both<'test>(
    test: impl AsyncFn(Proxy) + 'test,
) -> Pin<Box<dyn Future<Output = ()> + 'test>> {
    Box::pin(async move {
        tokio::join!(test(Proxy::Nginx), test(Proxy::HaProxy));
    })
}

fn demo() -> Vec<String> {
    ["portcullis", "demo-server"].map(str::to_owned).to_vec()
}
