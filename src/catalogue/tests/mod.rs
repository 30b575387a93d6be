mod families;
mod overlays;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::list::PAGE_ITEMS;
use super::*;
use crate::backends::scripted::{Backend, config, context, http_config, item};
use crate::backends::{Context, Handle, Isolation, Key, Owner};
use crate::call::{Endpoint, Principal, SessionId};
use crate::mcp::Capabilities;
use crate::supervise::Registry;

const ONE: SessionId = SessionId::from_bytes([1; 16]);
const TWO: SessionId = SessionId::from_bytes([2; 16]);
const AGGREGATE: Endpoint = Endpoint::Aggregate;

fn view(session: Option<SessionId>, capabilities: Capabilities) -> View {
    View { session, capabilities, visibility: Visibility::default() }
}

/// A client that can do nothing and has no session.
fn anybody() -> View {
    view(None, Capabilities::NONE)
}

/// Shows everything, by rules that never change.
struct Everything(watch::Sender<u64>);

impl Default for Everything {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Judge for Everything {
    fn visibility(&self, _: &Principal) -> Visibility {
        Visibility::default()
    }

    fn shows(&self, _: Visibility, _: &Entry) -> bool {
        true
    }

    fn knows(&self, _: Visibility, _: &Handle) -> bool {
        true
    }

    fn editions(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// A gateway's backends and their catalogue.
struct Gate {
    registry: Arc<Registry>,
    catalogue: Arc<Catalogue>,
}

impl Gate {
    fn over(handles: Vec<Arc<Handle>>, context: &Context) -> Self {
        let member = |handle: &Arc<Handle>| Member {
            handle: handle.clone(),
            naming: Naming::new("x", handle.name(), Prefix::Server),
            family: None,
        };
        let members = handles.iter().map(member).collect();
        Self::of(handles, members, context)
    }

    fn of(handles: Vec<Arc<Handle>>, members: Vec<Member>, context: &Context) -> Self {
        let handles = handles.into_iter().map(|handle| (handle, true)).collect();
        let registry = Registry::of(handles, context);
        let shutdown = CancellationToken::new();
        let exposing = Exposing { exposure: Exposure::Native, prefix: "x".to_owned() };
        let judge = Arc::new(Everything::default());
        let background = &context.background;
        let catalogue =
            Catalogue::start(Config::default(), exposing, judge, members, background, shutdown);
        Self { registry, catalogue }
    }

    async fn names_at(&self, endpoint: &Endpoint, kind: Kind, view: &View) -> Vec<String> {
        let page = self.catalogue.list(endpoint, kind, None, view).await.unwrap();
        keys(kind, &page)
    }

    async fn tools(&self, view: &View) -> Vec<String> {
        self.names_at(&AGGREGATE, Kind::Tool, view).await
    }

    fn tool(&self, name: &str, view: &View) -> Option<(String, String)> {
        let tool = self.catalogue.resolve_tool(&AGGREGATE, name, view)?;
        let entry = tool.entry()?;
        Some((entry.server().to_owned(), entry.original.to_string()))
    }

    fn reader_of(&self, uri: &str) -> Option<String> {
        let entry = self.catalogue.resolve_resource(&AGGREGATE, uri, &anybody())?;
        Some(entry.server().to_owned())
    }
}

fn keys(kind: Kind, page: &[u8]) -> Vec<String> {
    let page: Value = serde_json::from_slice(page).unwrap();
    let key = match kind {
        Kind::Tool | Kind::Prompt => "name",
        Kind::Resource => "uri",
        Kind::ResourceTemplate => "uriTemplate",
    };
    let items = page[kind.field()].as_array().unwrap();
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

fn next_cursor(page: &[u8]) -> Option<String> {
    let page: Value = serde_json::from_slice(page).unwrap();
    page["nextCursor"].as_str().map(ToOwned::to_owned)
}

/// Runs everything that can run without time going by.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn shared(name: &str, backend: &Arc<Backend>, context: &Context) -> Arc<Handle> {
    backend.handle(config(name, Isolation::Shared), context)
}

#[tokio::test(start_paused = true)]
async fn counting_what_many_backends_have_drives_no_list_out() {
    let context = context();
    let backend = Backend::with_tools(&["one", "two"]);
    let handles: Vec<_> =
        (0..150).map(|at| shared(&format!("b{at}"), &backend, &context)).collect();
    let gate = Gate::over(handles.clone(), &context);
    gate.registry.ready().await;
    settle().await;
    let rich = View { visibility: Visibility { class: 1, edition: 0 }, ..anybody() };
    let face = || gate.catalogue.face(&AGGREGATE, &rich).unwrap();
    let before = face();
    for handle in &handles {
        let counts = gate.catalogue.count(handle, &rich, |entry| &*entry.original == "one");
        assert_eq!(counts, [1, 0, 0, 0]);
    }
    assert!(Arc::ptr_eq(&before, &face()));
}

#[tokio::test(start_paused = true)]
async fn tools_of_all_backends_are_listed_by_backend_and_found_without_a_list() {
    let context = context();
    let (time, git) = (Backend::with_tools(&["now", "in"]), Backend::with_tools(&["log"]));
    let gate =
        Gate::over(vec![shared("time", &time, &context), shared("git", &git, &context)], &context);
    gate.registry.ready().await;
    settle().await;
    assert_eq!(gate.tool("x_time_in", &anybody()), Some(("time".into(), "in".into())));
    assert_eq!(gate.tool("now", &anybody()), None);
    assert_eq!(gate.tools(&anybody()).await, ["x_git_log", "x_time_now", "x_time_in"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_name_of_an_item_changes() {
    let context = context();
    let backend = Backend::new();
    let raw = r#"{ "title":"T",  "name" :"now" , "x-unknown":[1,{"name":"now"}], "n":1.0e2 }"#;
    backend.offer_pages(Kind::Tool, vec![vec![raw.to_owned()]]);
    let gate = Gate::over(vec![shared("time", &backend, &context)], &context);
    let page = gate.catalogue.list(&AGGREGATE, Kind::Tool, None, &anybody()).await.unwrap();
    let renamed = raw.replacen(r#""now""#, r#""x_time_now""#, 1);
    assert_eq!(page, format!(r#"{{"tools":[{renamed}]}}"#));

    let own = Endpoint::Server("time".into());
    let page = gate.catalogue.list(&own, Kind::Tool, None, &anybody()).await.unwrap();
    assert_eq!(page, format!(r#"{{"tools":[{raw}]}}"#));
    let entry = gate.catalogue.resolve_tool(&own, "now", &anybody()).unwrap();
    assert!(
        entry.entry().unwrap().target().name.is_none(),
        "nothing to rename at its own endpoint"
    );
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_stays_with_the_first_backend_and_is_reported() {
    let context = context();
    let (one, two) = (Backend::with_tools(&["echo"]), Backend::with_tools(&["echo", "other"]));
    one.offer(Kind::Resource, &["demo://readme"]);
    two.offer(Kind::Resource, &["demo://readme"]);
    let handles = vec![shared("b", &two, &context), shared("a", &one, &context)];
    let naming = || Naming::new("x", "", Prefix::None);
    let members =
        handles.iter().map(|it| Member { handle: it.clone(), naming: naming(), family: None });
    let members = members.collect();
    let gate = Gate::of(handles, members, &context);
    assert_eq!(gate.tools(&anybody()).await, ["echo", "other"]);
    settle().await;
    assert_eq!(gate.tool("echo", &anybody()), Some(("a".into(), "echo".into())));
    let collisions = gate.catalogue.collisions();
    assert_eq!(collisions.len(), 2);
    assert_eq!(
        collisions[0].to_string(),
        "tool \"echo\" of backend b is not shown: backend a already has \"echo\"; \
         set spec.toolPrefix on one"
    );
    assert_eq!(collisions[1].kind, Kind::Resource);
}

#[tokio::test(start_paused = true)]
async fn pages_lead_to_every_item_once_also_when_the_list_changes_meanwhile() {
    let context = context();
    let names: Vec<_> = (0..2 * PAGE_ITEMS + 5).map(|at| format!("t{at}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let backend = Backend::with_tools(&names);
    let gate = Gate::over(vec![shared("s", &backend, &context)], &context);

    let list = async |cursor: Option<String>| {
        let page = gate.catalogue.list(&AGGREGATE, Kind::Tool, cursor.as_deref(), &anybody()).await;
        page.unwrap()
    };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(cursor).await;
        seen.extend(keys(Kind::Tool, &page));
        cursor = next_cursor(&page);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), names.len());
    assert!(seen.iter().zip(&names).all(|(seen, name)| *seen == format!("x_s_{name}")));

    // The last item that the client saw is gone.
    let cursor = next_cursor(&list(None).await);
    let gone = PAGE_ITEMS - 1;
    let fewer: Vec<_> =
        names.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, name)| *name).collect();
    backend.offer(Kind::Tool, &fewer);
    backend.connections()[0].notification("notifications/tools/list_changed");
    let mut changes = gate.catalogue.changes();
    changes.recv().await.unwrap();
    let rest = keys(Kind::Tool, &list(cursor).await);
    assert_eq!(rest[0], format!("x_s_t{PAGE_ITEMS}"));
    assert_eq!(rest.len(), PAGE_ITEMS);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_from_elsewhere_is_refused() {
    let context = context();
    let gate = Gate::over(vec![shared("s", &Backend::new(), &context)], &context);
    for cursor in ["", "0", "garbled!"] {
        let list = gate.catalogue.list(&AGGREGATE, Kind::Tool, Some(cursor), &anybody()).await;
        assert_eq!(list, Err(ListError::Cursor(InvalidCursor)), "{cursor:?}");
    }
    let nobody = Endpoint::Server("nobody".into());
    let list = gate.catalogue.list(&nobody, Kind::Tool, None, &anybody()).await;
    assert_eq!(list, Err(ListError::UnknownServer("nobody".into())));
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_for_first_starts_but_not_for_ever_and_then_tells_what_came() {
    let context = context();
    let (fast, slow) = (Backend::with_tools(&["a"]), Backend::with_tools(&["b"]));
    slow.hold_opening();
    let gate = Gate::over(
        vec![shared("fast", &fast, &context), shared("slow", &slow, &context)],
        &context,
    );
    let mut changes = gate.catalogue.changes();
    let before = Instant::now();
    assert_eq!(gate.tools(&anybody()).await, ["x_fast_a"]);
    assert_eq!(before.elapsed(), Config::default().first_list_wait);
    while changes.try_recv().is_ok() {}

    slow.let_open(1);
    let change = changes.recv().await.unwrap();
    assert_eq!((&*change.backend, change.audience), ("slow", Audience::Everybody));
    assert!(change.kinds.tools && !change.kinds.prompts && !change.kinds.resources);
    let before = Instant::now();
    assert_eq!(gate.tools(&anybody()).await, ["x_fast_a", "x_slow_b"]);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_crash_keeps_the_tools_for_the_grace_period_and_a_stop_does_not() {
    let context = context();
    let (crashing, stopping) = (Backend::with_tools(&["a"]), Backend::with_tools(&["b"]));
    let gate = Gate::over(
        vec![shared("c", &crashing, &context), shared("s", &stopping, &context)],
        &context,
    );
    assert_eq!(gate.tools(&anybody()).await, ["x_c_a", "x_s_b"]);
    gate.registry.get("s").unwrap().publish(crate::backends::BackendState::Stopped);
    assert_eq!(gate.tools(&anybody()).await, ["x_c_a"]);

    crashing.connections()[0].die();
    settle().await;
    assert_eq!(gate.registry.get("c").unwrap().word(), "failed");
    let mut changes = gate.catalogue.changes();
    tokio::time::sleep(Config::default().grace / 2).await;
    assert_eq!(gate.tools(&anybody()).await, ["x_c_a"]);
    assert!(gate.tool("x_c_a", &anybody()).is_some());
    assert!(changes.try_recv().is_err(), "nothing has changed for clients");

    tokio::time::sleep(Config::default().grace).await;
    assert!(gate.tools(&anybody()).await.is_empty());
    assert_eq!(gate.tool("x_c_a", &anybody()), None);
    assert!(changes.try_recv().unwrap().kinds.tools);
}

#[tokio::test(start_paused = true)]
async fn an_unlisted_resource_is_taken_to_where_it_can_be_from() {
    let context = context();
    let (demo, files, bare) = (Backend::new(), Backend::new(), Backend::new());
    demo.offer(Kind::Resource, &["demo://readme"]);
    demo.offer(Kind::ResourceTemplate, &["demo://item/{id}", "shop://{id}"]);
    files.offer(Kind::Resource, &["file:///a", "file:///b"]);
    let gate = Gate::over(
        vec![
            shared("demo", &demo, &context),
            shared("files", &files, &context),
            shared("bare", &bare, &context),
        ],
        &context,
    );
    gate.registry.ready().await;
    settle().await;
    for (name, uri, expected) in [
        ("listed", "demo://readme", Some("demo")),
        ("a template fits", "shop://7", Some("demo")),
        ("others of its kind", "file:///c/d", Some("files")),
        ("nobody in particular", "urn:x", None),
    ] {
        assert_eq!(gate.reader_of(uri).as_deref(), expected, "{name}");
    }
    let resolve = |text| gate.catalogue.resolve_template(&AGGREGATE, text, &anybody());
    assert_eq!(resolve("demo://item/{id}").unwrap().kind, Kind::ResourceTemplate);
    assert_eq!(resolve("demo://item/7").unwrap().kind, Kind::Resource);
    let own = Endpoint::Server("bare".into());
    let alone = gate.catalogue.resolve_resource(&own, "urn:x", &anybody()).unwrap();
    assert_eq!(alone.server(), "bare", "the only one at its own endpoint");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_its_own_says_what_the_backend_says_of_itself() {
    let context = context();
    let (up, down) = (Backend::new(), Backend::new());
    down.hold_opening();
    let gate =
        Gate::over(vec![shared("up", &up, &context), shared("down", &down, &context)], &context);
    let offer = gate.catalogue.server(&"up".into()).await.unwrap();
    assert!(offer.initialized.starts_with(br#"{"protocolVersion""#));
    let error = gate.catalogue.server(&"down".into()).await.unwrap_err();
    assert_eq!(error.to_string(), "backend down is not available (starting)");
    let missing = |name| {
        gate.catalogue.missing(&AGGREGATE, Kind::Tool, name, Visibility::default()).to_string()
    };
    assert_eq!(missing("x_down_now"), "backend down is not available (starting)");
    assert_eq!(missing("x_up_now"), "tool not found: x_up_now");
    assert_eq!(missing("x_none_now"), "tool not found: x_none_now");
    let error = gate.catalogue.server(&"none".into()).await.unwrap_err();
    assert!(matches!(error, ServerError::Unknown(_)));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_listed_twice_is_shown_once_under_the_roof() {
    let context = context();
    let backend = Backend::new();
    let twice = vec![item(Kind::Tool, "a"), item(Kind::Tool, "b"), item(Kind::Tool, "a")];
    backend.offer_pages(Kind::Tool, vec![twice]);
    let gate = Gate::over(vec![shared("s", &backend, &context)], &context);
    assert_eq!(gate.tools(&anybody()).await, ["x_s_a", "x_s_b"]);
    let own = Endpoint::Server("s".into());
    assert_eq!(gate.names_at(&own, Kind::Tool, &anybody()).await, ["a", "b", "a"]);
    let handle = gate.registry.get("s").unwrap();
    assert_eq!(handle.supervisor_key().owner, Owner::Shared);
}
