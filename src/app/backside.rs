//! Everything behind the stacks: backends, sessions, the catalogue, and what carries news between
//! them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::config::Config;
use super::load::Loaded;
use super::recorder::CallRecorder;
use super::stack::{Edge, Parts};
use super::status::status;
use super::{follow, print};
use crate::authn::{Authenticator, Mode, Resources, Surroundings};
use crate::backends::{self, Background, Updated};
use crate::builtin;
use crate::catalogue::{Catalogue, Exposing, Judge, Member, Naming};
use crate::config::Shown as _;
use crate::definitions::Server;
use crate::layers::call::tool_limits::ToolLimitsLayer;
use crate::layers::http::rate_limit::RateLimitLayer;
use crate::layers::http::streams::Streams;
use crate::observe::call_log::CallLog;
use crate::outbound::{self, Trust};
use crate::policy::Gate;
use crate::routes::health::Details;
use crate::routes::mcp::{Ending, Shared};
use crate::routes::sse::Sse;
use crate::routes::welcome::WayIn;
use crate::routes::{Open, WellKnown};
use crate::server::{Shutdown, Transport};
use crate::sessions::{Keys, Sessions};
use crate::supervise::{Definition, Registry, Status};

/// How long backends have, once calls are over, to take leave: DELETE to sessions, end of children.
const LEAVE: Duration = Duration::from_secs(10);

/// Everything behind the stacks, run by the background runtime.
pub(super) struct Backside {
    pub(super) background: Background,
    trust: Arc<Trust>,
    sessions: Arc<Sessions>,
    pub(super) registry: Arc<Registry>,
    gate: Arc<Gate>,
    authenticator: Arc<Authenticator>,
    catalogue: Arc<Catalogue>,
    pub(super) ready: watch::Receiver<bool>,
    /// Ends what would follow news for ever.
    news: CancellationToken,
}

impl Backside {
    /// Starts the backends and everything that follows what becomes of them. If only this machine
    /// can connect, `loopback` is the port, or 0 if there is none.
    pub(super) fn start(
        loaded: &Loaded,
        trust: Arc<Trust>,
        loopback: Option<u16>,
        way: &WayIn,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let background = Background { runtime: Handle::current(), tasks: TaskTracker::new() };
        let keys: Vec<[u8; 32]> = config.sessions.keys.iter().map(|key| *key.expose()).collect();
        let sessions = Arc::new(Sessions::new(Keys::new(&keys)?, config.sessions.max_age)?);
        let context = backends::Context::new(
            background.clone(),
            outbound::Client::new(Arc::clone(&trust), background.tasks.clone()),
            sessions.clone(),
            (config.http.max_in_flight / 2).max(1),
        );
        let registry = registry(&loaded.servers, &context);
        let news = CancellationToken::new();
        let resources = config.resources(loopback);
        let authenticator = authenticator(config, resources, &trust, &background, &news);
        // Behind a proxy everybody comes from loopback, and nobody else comes by another name.
        let has_proxy = config.aggregator.public_url.is_some()
            || !config.trusted_proxies.is_empty()
            || !config.http.allowed_hosts.is_empty();
        let mut gate =
            Gate::new(loopback.is_some() && !has_proxy).with_denylist(config.denylist.clone());
        if config.auth.mode != Mode::None {
            gate = gate.with_rights(&config.scopes, &config.admin);
        }
        let gate = Arc::new(gate);
        let catalogue = catalogue(loaded, &gate, &registry, &background, &news);
        catalogue.offer(builtin::entries(&builtin::Parts {
            catalogue: Arc::clone(&catalogue),
            gate: Arc::clone(&gate),
            registry: Arc::clone(&registry),
            background: background.clone(),
            set_up: set_up(loaded, way.address()),
        }));
        let (ready, is_ready) = watch::channel(false);
        let updates = context.updates.subscribe();
        let this = Self {
            background,
            trust,
            sessions,
            registry,
            gate,
            authenticator,
            catalogue,
            ready: is_ready,
            news,
        };
        this.follow(updates, ready);
        Ok(this)
    }

    /// Carries news from one to another, until they leave.
    fn follow(&self, updates: broadcast::Receiver<Updated>, ready: watch::Sender<bool>) {
        let (sessions, registry) = (&self.sessions, &self.registry);
        let evict = {
            let registry = Arc::clone(registry);
            move |it| registry.evict_session(it)
        };
        self.run(Arc::clone(sessions).sweep(evict));
        self.run(follow::list_changes(Arc::clone(&self.catalogue), Arc::clone(sessions)));
        self.run(follow::updates(updates, Arc::clone(sessions)));
        self.run(follow::readiness(Arc::clone(registry), ready));
    }

    /// Runs what would go on for ever, until the backends leave.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let news = self.news.clone();
        self.background.spawn(async move {
            news.run_until_cancelled(task).await;
        });
    }

    /// What clients learn that have no token yet.
    pub(super) fn well_known(&self, config: &Config) -> WellKnown {
        WellKnown::new(Arc::clone(self.authenticator.resources()), config.auth.mode)
    }

    /// What the workers' stacks are made of.
    pub(super) fn parts(
        &self,
        config: &Config,
        is_loopback: bool,
        open: Open,
        details: Details,
        shutdown: &Shutdown,
    ) -> Parts {
        let shared = Shared {
            sessions: Arc::clone(&self.sessions),
            registry: Arc::clone(&self.registry),
            catalogue: Arc::clone(&self.catalogue),
            gate: Arc::clone(&self.gate),
            authenticator: Arc::clone(&self.authenticator),
            details,
            keep_alive: config.http.keep_alive,
            stream_grace: config.auth.stream_grace,
            streams: Streams::new(config.http.max_streams),
            rate_limit: RateLimitLayer::new(config.rate_limit),
            sse: Sse::new(config.aggregator.public_url.as_ref()),
            is_streamable: config.aggregator.transport == Transport::StreamableHttp,
        };
        let format = config.logging.format;
        let is_logged = config.logging.calls && config.logging.level >= tracing::Level::INFO;
        Parts {
            shared: Arc::new(shared),
            catalogue: Arc::clone(&self.catalogue),
            gate: Arc::clone(&self.gate),
            tool_limits: ToolLimitsLayer::new(&config.tool_limits),
            recorder: CallRecorder { log: is_logged.then(|| CallLog::new(format)) },
            trust: Arc::clone(&self.trust),
            ending: Ending {
                draining: shutdown.draining().clone(),
                stopping: shutdown.stopping().clone(),
            },
            open,
            edge: Edge::new(config, is_loopback, Arc::clone(&self.authenticator)),
        }
    }

    /// Says how the backends are, once they have been tried.
    pub(super) fn greet(
        &self,
        way: WayIn,
        quarantined: Arc<[Status]>,
        say: impl Fn(&str) + Send + 'static,
    ) {
        let (registry, mut ready) = (Arc::clone(&self.registry), self.ready.clone());
        let news = self.news.clone();
        self.background.spawn(async move {
            let settled = ready.wait_for(|ready| *ready);
            if news.run_until_cancelled(settled).await.is_some() {
                say(&print::backends(&status(&registry, &quarantined), &way));
            }
        });
    }

    /// Calls are over: sessions at backends are deleted, children stop.
    pub(super) async fn leave(&self) {
        self.sessions.close();
        self.news.cancel();
        if time::timeout(LEAVE, self.registry.shutdown()).await.is_err() {
            warn!("backends did not take leave in time");
        }
        self.background.tasks.close();
    }
}

/// Who tells who is calling.
fn authenticator(
    config: &Config,
    resources: Resources,
    trust: &Arc<Trust>,
    background: &Background,
    news: &CancellationToken,
) -> Arc<Authenticator> {
    let around = Surroundings {
        trust: Arc::clone(trust),
        runtime: background.runtime.clone(),
        tasks: background.tasks.clone(),
        stop: news.clone(),
    };
    let required = &config.scopes.required;
    Arc::new(Authenticator::new(&config.auth, required, Arc::new(resources), &around))
}

/// All backends, each started if it is to be.
fn registry(servers: &[Server], context: &backends::Context) -> Arc<Registry> {
    let definitions = servers.iter().map(|server| Definition {
        config: Arc::new(server.config.clone()),
        auto_start: server.auto_start,
    });
    Registry::start(definitions.collect(), context)
}

/// What they offer, as far as the gate shows it.
fn catalogue(
    loaded: &Loaded,
    gate: &Arc<Gate>,
    registry: &Registry,
    background: &Background,
    news: &CancellationToken,
) -> Arc<Catalogue> {
    let aggregator = &loaded.config.aggregator;
    let prefix = aggregator.muster_prefix.clone();
    Catalogue::start(
        loaded.config.catalogue.clone(),
        Exposing { exposure: aggregator.exposure, prefix },
        Arc::clone(gate) as Arc<dyn Judge>,
        members(&loaded.servers, registry, &aggregator.muster_prefix),
        background,
        news.clone(),
    )
}

/// What the tools of ours tell of the configuration.
fn set_up(loaded: &Loaded, url: &str) -> builtin::SetUp {
    builtin::SetUp {
        servers: loaded.servers.as_slice().into(),
        quarantined: loaded.quarantined.as_slice().into(),
        config: Arc::new(loaded.config.shown()),
        endpoint: url.into(),
    }
}

/// The backends under the names that their definitions give them.
fn members(servers: &[Server], registry: &Registry, muster_prefix: &str) -> Vec<Member> {
    let member = |server: &Server| {
        let name = &server.config.name;
        let prefix = server.tool_prefix.as_deref().unwrap_or(name);
        let handle = registry.get(name).expect("every definition has been registered");
        Member {
            handle: Arc::clone(handle),
            naming: Naming::new(muster_prefix, prefix, server.expose.prefix),
            family: server.family.clone(),
        }
    };
    servers.iter().map(member).collect()
}
