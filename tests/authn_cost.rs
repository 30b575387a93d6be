//! What it costs to know who sends a request, as far as that is the same on every machine.

#[path = "../benches/authn/scene.rs"]
mod scene;

use http::Request;
use scene::Scene;

/// How often something is allocated for a request, if one like it came before.
fn allocations(
    request: impl Fn() -> Request<()>,
    call: impl Fn(Request<()>) -> Request<()>,
) -> u64 {
    drop(call(request()));
    let (request, mut answer) = (request(), None);
    allocation_counter::measure(|| answer = Some(call(request))).count_total
}

#[test]
fn to_know_a_token_that_its_connection_remembers_takes_no_allocation() {
    let (none, jwt, tokens) = (Scene::none(), Scene::jwt(), Scene::tokens());
    let stripping = allocations(|| none.request(), |request| none.strip(request));
    assert_eq!(stripping, 0, "to take the proof out");
    // The principal travels in the extensions of its request.
    for (name, scene) in [("none", &none), ("JWT", &jwt), ("static token", &tokens)] {
        assert_eq!(allocations(|| scene.request(), |request| scene.call(request)), 1, "{name}");
    }
    let first = allocations(|| jwt.request_by_another(), |request| jwt.call(request));
    assert!(first > 1, "{first}: what a connection begins to remember is allocated, and counted");
}
