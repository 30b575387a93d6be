//! Builds the gateway from its configuration, runs it, and takes it down in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::config::Config;
use super::load::Loaded;
use super::recorder::CallRecorder;
use super::stack::{Edge, Parts};
use super::{follow, print, stack};
use crate::backends::{self, Background};
use crate::builtin;
use crate::catalogue::{Catalogue, Exposing, Judge, Member, Naming};
use crate::definitions::{Quarantined, Server};
use crate::layers::http::streams::Streams;
use crate::observe::call_log::CallLog;
use crate::observe::exposition;
use crate::outbound::{self, Trust};
use crate::policy::Gate;
use crate::routes::Open;
use crate::routes::health::Readiness;
use crate::routes::mcp::{Ending, Shared};
use crate::routes::metrics::Operations;
use crate::server::{self, Listeners, Options, Shutdown, Signals};
use crate::sessions::{Keys, Sessions};
use crate::supervise::{Definition, Registry, Status};

/// How long backends have, once calls are over, to take leave: DELETE to sessions, end of children.
const LEAVE: Duration = Duration::from_secs(10);

/// Runs the gateway until it is told to stop. `say` prints what a person wants to read.
///
/// # Errors
/// When it cannot start: a listener, a certificate file, no randomness.
pub async fn serve(
    loaded: Loaded,
    extra_ca_files: &[PathBuf],
    say: impl Fn(&str) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let config = &loaded.config;
    let signals = Signals::install().context("cannot handle signals")?;
    let exposition = exposition::install(config.metrics.muster_names);
    let listeners = mcp_listeners(config)?;
    let metrics_listeners = metrics_listeners(config)?;
    let shutdown = Shutdown::new();
    // First of all lines: what backends say comes as they start.
    say(&print::addresses(&listeners, &metrics_listeners));
    let trust = Arc::new(Trust::new(extra_ca_files)?);
    let backside = Backside::start(&loaded, trust, listeners.is_loopback())?;

    let url = print::client_url(&listeners, config.aggregator.public_url.as_ref());
    let readiness = Readiness::new(backside.ready.clone(), shutdown.clone());
    let parts = backside.parts(config, &listeners, Open::new(readiness.clone(), &url), &shutdown);

    let quarantined: Arc<[Status]> = loaded.quarantined.iter().map(in_quarantine).collect();
    backside.greet(url, Arc::clone(&quarantined), say);
    let registry = Arc::clone(&backside.registry);
    let operations =
        Operations::new(exposition.clone(), readiness, move || status(&registry, &quarantined));
    let metrics_stop = CancellationToken::new();
    let operators = stack::operators(operations, metrics_listeners.is_loopback());
    let metrics_task = backside.background.tasks.spawn(server::serve_simple(
        metrics_listeners,
        operators,
        metrics_stop.clone(),
    ));
    backside.background.tasks.spawn(exposition.upkeep(metrics_stop.clone()));

    let options = Options { drain: config.http.drain, ..Options::default() };
    let serving =
        server::serve(listeners, options, &shutdown, move |worker| parts.build(worker.tasks()));
    let serving = async {
        let drained = serving.await;
        shutdown.stop(); // also when it ended by itself: nobody has to wait for a signal
        drained
    };
    let (drained, ()) = tokio::join!(serving, shutdown.follow(signals));
    let cut = drained?.cut;
    if cut > 0 {
        warn!(cut, "connections were cut after the time to drain");
    }
    backside.leave().await;
    metrics_stop.cancel();
    let _ = metrics_task.await;
    info!("stopped");
    Ok(())
}

fn metrics_listeners(config: &Config) -> anyhow::Result<Listeners> {
    let metrics = &config.metrics;
    Listeners::bind(&metrics.host.to_string(), metrics.port)
        .context("the metrics listener cannot start (metrics.host and metrics.port say where)")
}

/// Sockets that systemd hands over come first, then the configured address.
fn mcp_listeners(config: &Config) -> anyhow::Result<Listeners> {
    let aggregator = &config.aggregator;
    if let Some(inherited) = Listeners::inherited()? {
        // The loader has seen `aggregator.host`, which means nothing here.
        ensure!(
            inherited.is_loopback() || config.auth.allow_unauthenticated,
            "the sockets handed over let others in, and auth.mode none asks nobody who they are; \
             listen on loopback, or set auth.allowUnauthenticated: true if that is what you want"
        );
        return Ok(inherited);
    }
    Listeners::bind(&aggregator.host.to_string(), aggregator.port)
        .context("the MCP listener cannot start (aggregator.host and aggregator.port say where)")
}

/// Everything behind the stacks, run by the background runtime.
struct Backside {
    background: Background,
    trust: Arc<Trust>,
    sessions: Arc<Sessions>,
    registry: Arc<Registry>,
    gate: Arc<Gate>,
    catalogue: Arc<Catalogue>,
    ready: watch::Receiver<bool>,
    /// Ends what would follow news for ever.
    news: CancellationToken,
}

impl Backside {
    fn start(loaded: &Loaded, trust: Arc<Trust>, is_loopback: bool) -> anyhow::Result<Self> {
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
        let definitions = loaded.servers.iter().map(|server| Definition {
            config: Arc::new(server.config.clone()),
            auto_start: server.auto_start,
        });
        let registry = Registry::start(definitions.collect(), &context);
        let news = CancellationToken::new();
        let gate = Arc::new(Gate::new(is_loopback));
        let catalogue = Catalogue::start(
            config.catalogue.clone(),
            Exposing {
                exposure: config.aggregator.exposure,
                prefix: config.aggregator.muster_prefix.clone(),
            },
            Arc::clone(&gate) as Arc<dyn Judge>,
            members(&loaded.servers, &registry, &config.aggregator.muster_prefix),
            &background,
            news.clone(),
        );
        catalogue.offer(builtin::entries(&builtin::Parts { catalogue: Arc::clone(&catalogue) }));
        let (ready, is_ready) = watch::channel(false);
        let follow = |task: futures_util::future::BoxFuture<'static, ()>| {
            let news = news.clone();
            background.spawn(async move {
                news.run_until_cancelled(task).await;
            });
        };
        follow(Box::pin(Arc::clone(&sessions).sweep()));
        follow(Box::pin(follow::list_changes(Arc::clone(&catalogue), Arc::clone(&sessions))));
        follow(Box::pin(follow::updates(context.updates.subscribe(), Arc::clone(&sessions))));
        follow(Box::pin(follow::readiness(Arc::clone(&registry), ready)));
        Ok(Self { background, trust, sessions, registry, gate, catalogue, ready: is_ready, news })
    }

    fn parts(
        &self,
        config: &Config,
        listeners: &Listeners,
        open: Open,
        shutdown: &Shutdown,
    ) -> Parts {
        let shared = Shared {
            sessions: Arc::clone(&self.sessions),
            registry: Arc::clone(&self.registry),
            catalogue: Arc::clone(&self.catalogue),
            keep_alive: config.http.keep_alive,
            streams: Streams::new(config.http.max_streams),
        };
        let format = config.logging.format;
        let is_logged = config.logging.calls && config.logging.level >= tracing::Level::INFO;
        Parts {
            shared: Arc::new(shared),
            catalogue: Arc::clone(&self.catalogue),
            gate: Arc::clone(&self.gate),
            recorder: CallRecorder { log: is_logged.then(|| CallLog::new(format)) },
            trust: Arc::clone(&self.trust),
            ending: Ending {
                draining: shutdown.draining().clone(),
                stopping: shutdown.stopping().clone(),
            },
            open,
            edge: Edge::new(
                &config.http,
                config.aggregator.public_url.as_ref(),
                listeners.is_loopback(),
            ),
        }
    }

    /// Says how the backends are, once they have been tried.
    fn greet(&self, url: String, quarantined: Arc<[Status]>, say: impl Fn(&str) + Send + 'static) {
        let (registry, mut ready) = (Arc::clone(&self.registry), self.ready.clone());
        let news = self.news.clone();
        self.background.spawn(async move {
            let settled = ready.wait_for(|ready| *ready);
            if news.run_until_cancelled(settled).await.is_some() {
                say(&print::backends(&status(&registry, &quarantined), &url));
            }
        });
    }

    /// Calls are over: sessions at backends are deleted, children stop.
    async fn leave(&self) {
        self.sessions.close();
        self.news.cancel();
        if time::timeout(LEAVE, self.registry.shutdown()).await.is_err() {
            warn!("backends did not take leave in time");
        }
        self.background.tasks.close();
    }
}

/// How every object of the configuration is, also those that are wrong.
fn status(registry: &Registry, quarantined: &[Status]) -> Vec<Status> {
    let mut all = registry.status();
    all.extend_from_slice(quarantined);
    all
}

fn in_quarantine(object: &Quarantined) -> Status {
    let problems: Vec<_> = object.problems.iter().map(ToString::to_string).collect();
    Status {
        name: object.name.as_deref().unwrap_or("(no name)").into(),
        state: "quarantined",
        error: Some(problems.join("; ").into()),
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
