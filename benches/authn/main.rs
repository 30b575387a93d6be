//! What it costs to know who sends a request, for a token that was seen before.
//!
//! `cargo bench --bench authn`; `loadtest/callgrind-authn` counts instructions. Figures are in
//! `loadtest/results/authn.md`.

mod scene;

use divan::Bencher;
use http::Request;
use mimalloc::MiMalloc;
use portcullis::server::Peer;

use scene::Scene;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    // Without it nothing is counted, which costs less.
    portcullis::observe::exposition::install(false);
    divan::main();
}

/// The layer where nobody has to prove anything: what the others are compared with.
#[divan::bench]
fn none(bencher: Bencher<'_, '_>) {
    let scene = Scene::none();
    bencher.with_inputs(|| scene.request()).bench_local_values(|request| scene.call(request));
}

/// The same JWT on the same connection.
#[divan::bench]
fn remembered_jwt(bencher: Bencher<'_, '_>) {
    let scene = Scene::jwt();
    bencher.with_inputs(|| scene.request()).bench_local_values(|request| scene.call(request));
}

/// The same JWT on another connection: one digest, and it is remembered there.
#[divan::bench]
fn cached_jwt(bencher: Bencher<'_, '_>) {
    let scene = Scene::jwt();
    bencher
        .with_inputs(|| scene.request_by_another())
        .bench_local_values(|request| scene.call(request));
}

/// A static token.
#[divan::bench]
fn static_token(bencher: Bencher<'_, '_>) {
    let scene = Scene::tokens();
    bencher.with_inputs(|| scene.request()).bench_local_values(|request| scene.call(request));
}

/// Taking the proof out of the headers, which all of the above do.
#[divan::bench]
fn strip(bencher: Bencher<'_, '_>) {
    let scene = Scene::none();
    bencher.with_inputs(|| scene.request()).bench_local_values(|request| scene.strip(request));
}

/// What it costs that a request knows its connection.
#[divan::bench]
fn peer(bencher: Bencher<'_, '_>) {
    let peer = Peer::plain(([127, 0, 0, 1], 1).into());
    bencher
        .with_inputs(|| Request::new(()))
        .bench_local_values(|request| connected(request, &peer));
}

#[inline(never)]
fn connected(mut request: Request<()>, peer: &Peer) -> Request<()> {
    request.extensions_mut().insert(peer.clone());
    request
}
