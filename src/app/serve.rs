//! Builds the gateway from its configuration, runs it, and takes it down in order.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backside::Backside;
use super::config::Config;
use super::listen::{mcp_listeners, metrics_listeners};
use super::load::Loaded;
use super::secure::secured;
use super::stack::Parts;
use super::status::{in_quarantine, status};
use super::{print, secure, stack, stdio};
use crate::observe::{call_log, exposition};
use crate::outbound::Trust;
use crate::routes::Open;
use crate::routes::health::{Details, Readiness};
use crate::routes::metrics::Operations;
use crate::server::{self, Listeners, Options, Shutdown, Signals};
use crate::supervise::Status;

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
    let listeners = secured(mcp_listeners(config)?, &config.aggregator.tls)?;
    let metrics_listeners = secured(metrics_listeners(config)?, &config.metrics_tls)?;
    let shutdown = Shutdown::new();
    // First of all lines: what backends say comes as they start.
    let transport = config.aggregator.transport;
    say(&print::addresses(transport, &config.auth, listeners.as_ref(), metrics_listeners.as_ref()));
    let way = print::way_in(transport, listeners.as_ref(), config.aggregator.public_url.as_ref());
    // Nobody but whoever started the gateway can speak to it if nothing listens.
    let loopback = listeners.as_ref().map_or(Some(0), |it| it.is_loopback().then(|| it.port()));
    let is_loopback = loopback.is_some();
    let trust = Arc::new(Trust::new(extra_ca_files)?);
    let backside = Backside::start(&loaded, trust, loopback, &way)?;
    secure::follow(&backside, "mcp", listeners.as_ref());
    secure::follow(&backside, "metrics", metrics_listeners.as_ref());

    let readiness = Readiness::new(backside.ready.clone(), shutdown.clone());
    let open = Open::new(readiness.clone(), &way, backside.well_known(config));
    let quarantined: Arc<[Status]> = loaded.quarantined.iter().map(in_quarantine).collect();
    backside.greet(way, Arc::clone(&quarantined), say);
    let registry = Arc::clone(&backside.registry);
    let details = Details::new(readiness, move || status(&registry, &quarantined));
    let parts = backside.parts(config, is_loopback, open, details.clone(), &shutdown);
    let operations = Operations::new(exposition.clone(), details);
    let metrics_stop = CancellationToken::new();
    let metrics_task = metrics_listeners.map(|listeners| {
        let operators = stack::operators(operations, listeners.is_loopback());
        let serving = server::serve_simple(listeners, operators, metrics_stop.clone());
        backside.background.tasks.spawn(serving)
    });
    backside.background.tasks.spawn(exposition.upkeep(metrics_stop.clone()));

    let serving = async {
        let served = serve_clients(config, listeners, parts, &shutdown).await;
        shutdown.stop(); // also when it ended by itself: nobody has to wait for a signal
        served
    };
    let (served, ()) = tokio::join!(serving, shutdown.follow(signals));
    served?;
    backside.leave().await;
    metrics_stop.cancel();
    if let Some(task) = metrics_task {
        let _ = task.await;
    }
    info!("stopped");
    Ok(())
}

/// Serves clients until all have got what was under way at the drain.
async fn serve_clients(
    config: &Config,
    listeners: Option<Listeners>,
    parts: Parts,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let drain = config.http.drain;
    let Some(listeners) = listeners else {
        stdio::serve(parts, config.http.max_body_bytes, drain, shutdown).await;
        return Ok(());
    };
    let before_waiting = call_log::write_before_waiting;
    let options = Options { drain, before_waiting, ..Options::default() };
    let serving =
        server::serve(listeners, options, shutdown, move |worker| parts.build(worker.tasks()));
    let cut = serving.await?.cut;
    if cut > 0 {
        warn!(cut, "connections were cut after the time to drain");
    }
    Ok(())
}
