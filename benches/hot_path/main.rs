//! What the parts cost that every call passes.
//!
//! `cargo bench --bench hot_path`; who sends a request is in `authn`, and `loadtest/callgrind` counts the instructions of
//! whole calls.

mod catalogue;
mod envelope;
mod log;
mod sessions;
mod sse;

use mimalloc::MiMalloc;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    divan::main();
}
