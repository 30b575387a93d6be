//! From a name to a backend, and from the catalogue to a list.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use futures_util::FutureExt;
use portcullis::backends::{
    self, BackendState, Background, Context, Handle, Isolation, Item, Offer, Stdio, Transport,
};
use portcullis::call::{Client, Endpoint, Principal};
use portcullis::catalogue::{
    Catalogue, Config, Exposing, Exposure, Judge, Kind, Member, Naming, Prefix, View,
};
use portcullis::config::{Glob, Value as _};
use portcullis::mcp::Capabilities;
use portcullis::outbound::{self, Trust};
use portcullis::policy::{Admin, Gate, ScopeRule, Scopes};
use portcullis::sessions::{Keys, Sessions};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many backends of so many tools.
#[derive(Clone, Copy)]
struct Size(usize, usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.0, self.1)
    }
}

const SIZES: [Size; 2] = [Size(10, 20), Size(50, 100)];

/// A catalogue that nothing changes.
struct Scene {
    catalogue: Arc<Catalogue>,
    gate: Arc<Gate>,
    _runtime: Runtime,
}

impl Scene {
    fn new(Size(backends, tools): Size) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let background =
            Background { runtime: runtime.handle().clone(), tasks: TaskTracker::new() };
        let trust = Arc::new(Trust::new(&[]).expect("roots"));
        let client = outbound::Client::new(trust, background.tasks.clone());
        let keys = Keys::new(&[]).expect("randomness");
        let sessions = Arc::new(Sessions::new(keys, Duration::MAX).expect("randomness"));
        let context = Context::new(background.clone(), client, sessions, 100);
        let members = (0..backends).map(|number| member(&format!("raw{number}"), tools, &context));
        let gate = Arc::new(gate());
        let catalogue = Catalogue::start(
            Config::default(),
            Exposing { exposure: Exposure::Native, prefix: "x".to_owned() },
            Arc::clone(&gate) as Arc<dyn Judge>,
            members.collect(),
            &background,
            CancellationToken::new(),
        );
        Self { catalogue, gate, _runtime: runtime }
    }

    /// What somebody sees who was granted these scopes.
    fn view(&self, scopes: &[&str]) -> View {
        let principal =
            Principal { scopes: scopes.iter().copied().collect(), ..Principal::anonymous() };
        let client = Client { capabilities: Capabilities::NONE, log_level: None, session: None };
        self.catalogue.view(&client, &principal)
    }

    /// How many tools there are on all pages.
    fn tools(&self, view: &View) -> usize {
        let face = self.catalogue.face(&Endpoint::Aggregate, view);
        face.expect("the aggregate").items(Kind::Tool).len()
    }

    /// The first page.
    fn list(&self, view: &View) -> usize {
        let list = self.catalogue.list(&Endpoint::Aggregate, Kind::Tool, None, view);
        list.now_or_never().expect("nothing to wait for").expect("a list").len()
    }
}

/// One that keeps half of the tools from those who have not the scope `odd`.
fn gate() -> Gate {
    let rule = ScopeRule {
        backend: Glob::any(),
        tool: Some(Glob::read("*_odd").expect("a pattern")),
        annotation: None,
        scopes: ["odd"].into_iter().collect(),
    };
    let scopes = Scopes { tools: vec![rule], ..Scopes::default() };
    Gate::new(false).with_rights(&scopes, &Admin::default())
}

/// A backend that runs, as far as the catalogue knows.
fn member(name: &str, tools: usize, context: &Context) -> Member {
    let stdio = Stdio { command: String::new(), args: vec![], env: BTreeMap::new(), cwd: None };
    let config = backends::Config {
        name: name.into(),
        transport: Transport::Stdio(stdio),
        isolation: Isolation::Shared,
        connect_timeout: Duration::ZERO,
        call_timeout: Duration::ZERO,
        max_in_flight: None,
        trust_annotations: false,
    };
    let handle = Handle::new(Arc::new(config), context.clone());
    let tools = (0..tools).map(|number| {
        let parity = if number % 2 == 0 { "even" } else { "odd" };
        let raw = format!(
            r#"{{"name":"tool{number}_{parity}","description":"What it does, and when to use it.","inputSchema":{{"type":"object"}}}}"#
        );
        Item::parse(Kind::Tool, raw.into()).expect("a tool")
    });
    let initialized = r#"{"capabilities":{"tools":{}}}"#;
    let offer = Offer::new(initialized.into(), [tools.collect(), vec![], vec![], vec![]]);
    handle.publish(BackendState::Running(Arc::new(offer)));
    Member { handle, naming: Naming::new("x", name, Prefix::Server), family: None }
}

/// From the name that a client uses to the entry and its backend.
#[divan::bench(args = SIZES)]
fn find_tool(bencher: Bencher<'_, '_>, size: Size) {
    let scene = Scene::new(size);
    let view = scene.view(&["odd"]);
    let find = || scene.catalogue.resolve_tool(&Endpoint::Aggregate, "x_raw7_tool13_odd", &view);
    assert!(find().is_some());
    bencher.bench(find);
}

/// Whether it may be used by somebody, whose class is known from the list of rules.
#[divan::bench(args = SIZES)]
fn decide(bencher: Bencher<'_, '_>, size: Size) {
    let scene = Scene::new(size);
    let view = scene.view(&["odd"]);
    let tool = scene.catalogue.resolve_tool(&Endpoint::Aggregate, "x_raw7_tool13_odd", &view);
    let tool = tool.expect("a tool");
    let entry = tool.entry().expect("of one backend");
    bencher.bench(|| scene.gate.decide_under(view.visibility, entry));
}

/// Everything, as everybody sees it who may see it.
#[divan::bench(args = SIZES)]
fn list_all(bencher: Bencher<'_, '_>, size: Size) {
    let scene = Scene::new(size);
    let view = scene.view(&["odd"]);
    bencher.bench(|| scene.list(&view));
}

/// Half of it, by somebody for whose like it was made before.
#[divan::bench(args = SIZES)]
fn list_half(bencher: Bencher<'_, '_>, size: Size) {
    let scene = Scene::new(size);
    let (half, all) = (scene.view(&[]), scene.view(&["odd"]));
    assert_eq!(scene.tools(&half) * 2, scene.tools(&all));
    bencher.bench(|| scene.list(&half));
}
