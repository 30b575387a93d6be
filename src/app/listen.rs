//! What the gateway listens on.

use anyhow::{Context as _, bail, ensure};
use tracing::warn;

use super::config::Config;
use crate::server::{Listeners, Transport};

/// The listener of operators.
pub(super) fn metrics_listeners(config: &Config) -> anyhow::Result<Option<Listeners>> {
    let metrics = &config.metrics;
    let bound = Listeners::bind(&metrics.host.to_string(), metrics.port);
    match bound {
        Ok(listeners) => Ok(Some(listeners)),
        // Every client starts a gateway of its own, and only one of them can have the port.
        Err(error) if config.aggregator.transport == Transport::Stdio => {
            warn!(error = %anyhow::Error::from(error), "there are no metrics of this gateway");
            Ok(None)
        }
        Err(error) => Err(error)
            .context("the metrics listener cannot start (metrics.host and metrics.port say where)"),
    }
}

/// Sockets that systemd hands over come first, then the configured address. None for stdio.
pub(super) fn mcp_listeners(config: &Config) -> anyhow::Result<Option<Listeners>> {
    let aggregator = &config.aggregator;
    if aggregator.transport == Transport::Stdio {
        ensure!(
            Listeners::inherited()?.is_none(),
            "sockets were handed over (LISTEN_FDS), and with aggregator.transport stdio nothing \
             listens; use streamable-http, or start the gateway without socket activation"
        );
        return Ok(None);
    }
    if let Some(inherited) = Listeners::inherited()? {
        // The loader has seen `aggregator.host`, which means nothing here.
        if let Some(fault) = config.exposed_fault(inherited.is_loopback()) {
            bail!("the sockets handed over let others in, {fault}");
        }
        return Ok(Some(inherited));
    }
    Listeners::bind(&aggregator.host.to_string(), aggregator.port)
        .map(Some)
        .context("the MCP listener cannot start (aggregator.host and aggregator.port say where)")
}
