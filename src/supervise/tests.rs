use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::{Definition, Registry, SessionConnection};
use crate::backends::scripted::{Backend, Lists, config, context, http_config};
use crate::backends::*;
use crate::call::{Client, Request, SessionId};
use crate::mcp::{Capabilities, Message};

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

/// Real time: a real child, which leaves when a tool is called.
#[tokio::test]
async fn a_child_that_dies_fails_with_its_last_words() {
    const SERVER: &str = r#"
        say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
        while read -r line; do
            id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            case "$line" in
            *'"initialize"'*) say "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}' ;;
            *'"tools/list"'*) say "$id" '{"tools":[{"name":"leave"}]}' ;;
            *'"tools/call"'*) echo 'out of cheese' >&2; exit 3 ;;
            esac
        done"#;
    let mut config = stdio("child");
    if let Transport::Stdio(stdio) = &mut config.transport {
        stdio.command = "sh".to_owned();
        stdio.args = vec!["-c".to_owned(), SERVER.to_owned()];
    }
    let context = context();
    let definition = Definition { config: Arc::new(config), auto_start: true };
    let registry = Registry::start(vec![definition], &context);
    registry.ready().await;
    let handle = registry.get("child").unwrap();
    assert_eq!(tools(&handle.state()), 1);

    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"leave"}}"#;
    let call = Request::new(Message::parse(Bytes::from_static(call.as_bytes())).unwrap()).unwrap();
    let capabilities = Capabilities::NONE;
    let client = Client { capabilities, log_level: None, session: None };
    let (http, target) = (&context.client, relay::Target::default());
    assert!(handle.call(http, &call, &target, &client).await.is_err());
    until(&mut handle.watch(), |state| state.error().is_some()).await;
    let error = handle.state().error().unwrap().to_string();
    assert!(error.contains("status 3") && error.contains("out of cheese"), "{error}");
    let error = handle.call(http, &call, &target, &client).await.unwrap_err().to_string();
    assert!(error.starts_with("backend child is not available (failed): its process"), "{error}");
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
async fn one_list_that_fails_leaves_the_others_alone() {
    let context = context();
    let backend = Backend::with_tools(&["one"]);
    backend.offer_pages(Kind::Prompt, vec![vec!["garbage".to_owned()]]);
    backend.offer_pages(Kind::Resource, vec![vec![r#""no object""#.to_owned()]]);
    let registry = Registry::of(vec![(backend.handle(stdio("s"), &context), true)], &context);
    registry.ready().await;
    assert_eq!(tools(&registry.get("s").unwrap().state()), 1);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_closes_every_connection() {
    let context = context();
    let backend = Backend::with_tools(&["one"]);
    let remote = http_config("web", Isolation::Shared);
    let registry = Registry::of(vec![(backend.handle(remote, &context), true)], &context);
    registry.ready().await;
    let pool = registry.get("web").unwrap().pool();
    let capabilities = Capabilities::NONE;
    pool.connection(Key { owner: Owner::Shared, capabilities }).await.unwrap();
    registry.shutdown().await;
    assert!(backend.connections().iter().all(|connection| connection.is_closed()));
    assert_eq!(backend.connections().len(), 2);
    context.background.tasks.close();
    context.background.tasks.wait().await;
    assert_eq!(registry.status()[0].state, "stopped");
}

const ONE: SessionId = SessionId::from_bytes([1; 16]);
const TWO: SessionId = SessionId::from_bytes([2; 16]);

fn of_session(session: SessionId) -> Key {
    Key { owner: Owner::Session(session), capabilities: Capabilities::NONE }
}

/// Two backends that have a connection for each session.
async fn of_sessions(context: &Context) -> ([Arc<Backend>; 2], Arc<Registry>) {
    let backends = ["a", "b"].map(|_| Backend::with_tools(&["one"]));
    let handle = |(name, backend): (_, &Arc<Backend>)| {
        (backend.handle(config(name, Isolation::Session), context), true)
    };
    let registry =
        Registry::of(["a", "b"].into_iter().zip(&backends).map(handle).collect(), context);
    registry.ready().await;
    (backends, registry)
}

fn open_connections(backend: &Backend) -> usize {
    backend.connections().iter().filter(|connection| !connection.is_closed()).count()
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_looked_for_every_half_hour_until_the_end() {
    let context = context();
    let ([backend, _], registry) = of_sessions(&context).await;
    let minutes = Duration::from_mins;
    time::sleep(minutes(10)).await;
    let pool = registry.get("a").unwrap().pool();
    pool.connection(of_session(ONE)).await.unwrap();
    for (after, open) in [(minutes(51), 2), (minutes(28), 2), (minutes(2), 1)] {
        time::sleep(after).await;
        assert_eq!(open_connections(&backend), open, "{after:?} later");
    }
    assert!(pool.get(registry.get("a").unwrap().supervisor_key()).is_some());
    registry.shutdown().await;
    context.background.tasks.close();
    context.background.tasks.wait().await; // the reaper's too
}

#[tokio::test(start_paused = true)]
async fn the_connections_of_a_session_can_be_looked_at() {
    let (_, registry) = of_sessions(&context()).await;
    let opened = Instant::now();
    for (backend, session) in [("a", ONE), ("b", ONE), ("b", TWO)] {
        let pool = registry.get(backend).unwrap().pool();
        pool.connection(of_session(session)).await.unwrap();
    }
    time::advance(Duration::from_mins(3)).await;
    drop(registry.get("b").unwrap().pool().claim(of_session(ONE)));
    let connection =
        |backend: &str, used| SessionConnection { backend: backend.into(), opened, used };
    let later = opened + Duration::from_mins(3);
    for _ in 0..2 {
        let seen = registry.connections_of(ONE);
        assert_eq!(seen, [connection("a", opened), connection("b", later)], "looking is no use");
        time::advance(Duration::from_mins(1)).await;
    }
    assert_eq!(registry.connections_of(TWO), [connection("b", opened)]);
    registry.evict_session(ONE);
    assert_eq!(registry.connections_of(ONE), []);
    assert_eq!(registry.connections_of(TWO).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_stopped_finishes_its_calls_and_leaves_the_others_alone() {
    let ([a, b], registry) = of_sessions(&context()).await;
    let mut calls = Vec::new();
    for backend in ["a", "b"] {
        let pool = registry.get(backend).unwrap().pool();
        calls.push(pool.claim_opened(of_session(ONE)).await.unwrap());
        pool.connection(of_session(TWO)).await.unwrap();
    }
    assert!(registry.stop("a") && !registry.stop("missing"));
    time::sleep(Duration::from_millis(1)).await;
    let words: Vec<_> = registry.status().iter().map(|it| it.state).collect();
    assert_eq!(words, ["stopped", "running"]);
    assert_eq!((open_connections(&a), open_connections(&b)), (1, 3), "one call is under way");
    drop(calls);
    time::sleep(Duration::from_millis(1)).await;
    assert_eq!((open_connections(&a), open_connections(&b)), (0, 3));
    assert_eq!(registry.status()[0].state, "stopped", "that its connections closed is no crash");
}
