//! Every target answers, and nothing of it is left once it is dropped.

use std::path::Path;
use std::time::Duration;

use portcullis_loadtest::target::{
    Peer, Programs, Scene, Target, binary_bytes, start_to_listening,
};
use portcullis_test_support::{Peers, is_running, until};

/// Built side by side with the gateway: `cargo test --workspace` builds all binaries before any test.
fn programs() -> Programs {
    Programs::beside(Path::new(env!("CARGO_BIN_EXE_raw-backend")))
}

/// A target only starts once a call through it has been answered.
async fn starts_answers_and_ends(target: Target, scene: &Scene) {
    let running = target.start(&programs(), scene).await.expect("the target starts");
    let pids = [running.pids(), running.backend_pids()].concat();
    assert!(pids.iter().all(|pid| is_running(*pid)), "{pids:?}");
    drop(running);
    until("the end of its processes", || !pids.iter().any(|pid| is_running(*pid))).await;
}

#[tokio::test]
async fn the_raw_backend_answers_by_itself() {
    starts_answers_and_ends(Target::Direct, &Scene::default()).await;
}

#[tokio::test]
async fn the_plain_proxy_answers() {
    starts_answers_and_ends(Target::Plain, &Scene::default()).await;
}

#[tokio::test]
async fn the_floor_answers() {
    starts_answers_and_ends(Target::Floor, &Scene::default()).await;
}

#[tokio::test]
async fn nginx_answers() {
    if Peers::with(&["nginx"]).is_some() {
        starts_answers_and_ends(Target::Nginx, &Scene::default()).await;
    }
}

#[tokio::test]
async fn the_router_alone_answers() {
    starts_answers_and_ends(Target::OnlyRouter, &Scene::default()).await;
}

#[tokio::test]
async fn every_layer_answers() {
    starts_answers_and_ends(Target::EveryLayer, &Scene::default()).await;
}

#[tokio::test]
async fn a_scene_has_as_many_backends_and_tools_as_it_says() {
    let scene = Scene { backends: 3, tools: 40, ..Scene::default() };
    let running = Target::EveryLayer.start(&programs(), &scene).await.unwrap();
    assert_eq!(running.tools.len(), 120);
    assert_eq!(running.tools[119], "x_raw2_tool39");
}

#[tokio::test]
async fn events_errors_and_sizes_reach_the_client() {
    let scene = Scene { events: 3, size: 300, error_every: 1, ..Scene::default() };
    for target in [Target::Nginx, Target::EveryLayer] {
        starts_answers_and_ends(target, &scene).await;
    }
}

#[tokio::test]
async fn a_target_that_does_not_start_says_why() {
    let programs = Programs { gateway: "/bin/false".into(), ..programs() };
    let error = Target::OnlyRouter.start(&programs, &Scene::default()).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("portcullis ended with exit status: 1"), "{error}");
}

#[test]
fn targets_are_known_by_their_names() {
    for target in Target::ALL {
        assert_eq!(Target::by_name(target.name()).unwrap(), target);
    }
    let error = Target::by_name("apache").unwrap_err().to_string();
    assert!(error.contains("direct, plain, floor, nginx, only-router, every-layer"), "{error}");
}

#[tokio::test]
async fn a_gateway_says_how_long_it_takes_to_start_and_how_large_it_is() {
    let programs = programs();
    let time = start_to_listening(&programs, &Scene::default(), 3).await.unwrap();
    assert!(time > Duration::ZERO && time < Duration::from_mins(1), "{time:?}");
    assert!(binary_bytes(&programs).unwrap() > 1_000_000);
}

/// Installs what is not in the cache yet.
#[tokio::test]
async fn peers_of_public_registries_answer() {
    for peer in Peer::ALL {
        starts_answers_and_ends(Target::Peer(peer), &Scene::default()).await;
    }
}
