//! What the gateway listens on.

use anyhow::{Context as _, ensure};
use tracing::warn;

use super::config::{Config, NO_AUDIENCE};
use crate::authn::Mode;
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
        ensure!(
            inherited.is_loopback()
                || config.auth.mode != Mode::None
                || config.auth.allow_unauthenticated,
            "the sockets handed over let others in, and auth.mode none asks nobody who they are; \
             listen on loopback, choose another auth.mode, or set auth.allowUnauthenticated: true \
             if that is what you want"
        );
        ensure!(config.has_audience(inherited.is_loopback()), "aggregator.publicUrl {NO_AUDIENCE}");
        return Ok(Some(inherited));
    }
    Listeners::bind(&aggregator.host.to_string(), aggregator.port)
        .map(Some)
        .context("the MCP listener cannot start (aggregator.host and aggregator.port say where)")
}
