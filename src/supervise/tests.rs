use tokio::sync::watch;

use super::Registry;
use crate::backends::scripted::{Backend, Lists, config, context, http_config};
use crate::backends::*;

fn stdio(name: &str) -> Config {
    config(name, Isolation::Shared)
}

async fn until(
    states: &mut watch::Receiver<BackendState>,
    wanted: impl FnMut(&BackendState) -> bool,
) {
    states.wait_for(wanted).await.expect("the handle lives");
}

fn tools(state: &BackendState) -> usize {
    state.offer().map_or(0, |offer| offer.items(Kind::Tool).len())
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_does_not_hold_up_the_others() {
    let context = context();
    let (good, bad) = (Backend::with_tools(&["echo"]), Backend::new());
    bad.hold_opening();
    let members = vec![
        (good.handle(stdio("good"), &context), true),
        (bad.handle(stdio("bad"), &context), true),
    ];
    let registry = Registry::of(members, &context);
    let mut states = registry.get("good").unwrap().watch();
    until(&mut states, |state| tools(state) == 1).await;

    let words =
        |registry: &Registry| registry.status().iter().map(|it| it.state).collect::<Vec<_>>();
    assert_eq!(words(&registry), ["starting", "running"]);
    bad.let_open(1);
    registry.ready().await;
    assert_eq!(words(&registry), ["running", "running"]);
    assert!(registry.get("missing").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_told_and_counts_as_ready() {
    let context = context();
    let backend = Backend::new();
    backend.refuse(Some(OpenError::Status { status: 404 }));
    let remote = http_config("web", Isolation::Shared);
    let registry = Registry::of(vec![(backend.handle(remote, &context), true)], &context);
    registry.ready().await;
    let status = registry.status().remove(0);
    assert_eq!(status.state, "failed");
    assert!(status.error.unwrap().contains("HTTP 404"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_started_stays_stopped_and_holds_up_nobody() {
    let context = context();
    let handle = Backend::new().handle(stdio("off"), &context);
    let registry = Registry::of(vec![(handle, false)], &context);
    registry.ready().await;
    assert_eq!(registry.status()[0].state, "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_changed_list_is_read_again_and_a_crash_keeps_it() {
    let context = context();
    let backend = Backend::with_tools(&["one"]);
    let registry = Registry::of(vec![(backend.handle(stdio("s"), &context), true)], &context);
    let mut states = registry.get("s").unwrap().watch();
    until(&mut states, |state| tools(state) == 1).await;

    backend.offer(Kind::Tool, &["one", "two"]);
    backend.connections()[0].notification("notifications/tools/list_changed");
    until(&mut states, |state| tools(state) == 2).await;

    backend.connections()[0].die();
    until(&mut states, |state| {
        matches!(state, BackendState::Failed { last: Some(last), .. } if last.items(Kind::Tool).len() == 2)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_listed_and_circles_are_not_followed() {
    let context = context();
    let backend = Backend::new();
    let mut lists = Lists::new();
    let page = |name: &str| vec![scripted::item(Kind::Tool, name)];
    lists.insert(Kind::Tool, vec![page("a"), page("b"), page("a")]);
    backend.offer_pages(Kind::Tool, lists.remove(&Kind::Tool).unwrap());
    let registry = Registry::of(vec![(backend.handle(stdio("s"), &context), true)], &context);
    registry.ready().await;
    let state = registry.get("s").unwrap().state();
    let names: Vec<_> =
        state.offer().unwrap().items(Kind::Tool).iter().map(|it| it.key.to_string()).collect();
    assert_eq!(names, ["a", "b"], "the third page is the first one again");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_closes_every_connection() {
    let context = context();
    let backend = Backend::with_tools(&["one"]);
    let remote = http_config("web", Isolation::Shared);
    let registry = Registry::of(vec![(backend.handle(remote, &context), true)], &context);
    registry.ready().await;
    let pool = registry.get("web").unwrap().pool();
    let none = crate::mcp::Capabilities::NONE;
    pool.connection(Key { owner: Owner::Shared, capabilities: none }).await.unwrap();
    registry.shutdown().await;
    assert!(backend.connections().iter().all(|connection| connection.is_closed()));
    assert_eq!(backend.connections().len(), 2);
    context.background.tasks.close();
    context.background.tasks.wait().await;
    assert_eq!(registry.status()[0].state, "stopped");
}
