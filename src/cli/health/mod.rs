//! `portcullis health`: asks a running gateway whether it is alive.

mod here;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, Method, StatusCode};
use tokio::{runtime, time};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::app::config::Config;
use crate::app::load::load;
use crate::cli::ConfigArgs;
use crate::config::{Environment, Host};
use crate::outbound::{Client, Head, Reach, Spec, Tls, Trust};

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `portcullis health`.
#[derive(Clone, Debug, Default, Args)]
pub struct HealthArgs {
    /// The configuration of the gateway to ask, for its port.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Ask this URL instead of the one of the configuration
    #[arg(long)]
    pub url: Option<Url>,
}

impl HealthArgs {
    /// Asks; success means that the gateway is alive.
    ///
    /// # Errors
    /// When it is not, or cannot be asked.
    pub fn run(self, environment: &Environment) -> anyhow::Result<ExitCode> {
        let (url, is_here) = match self.url {
            Some(url) => (url, false),
            None => (configured(&self.config, environment)?, true),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        // A timer is made inside of the runtime, or there is none.
        let asked = runtime.block_on(async { time::timeout(PATIENCE, ask(&url, is_here)).await });
        let status =
            asked.with_context(|| format!("{url} did not answer within {PATIENCE:?}"))??;
        ensure!(status.is_success(), "{url} answered {status}");
        println!("healthy");
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the gateway of a configuration answers on this machine: at the listener of operators if we
/// have no certificate to show at the other.
fn configured(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<Url> {
    let loaded = load(args.config.as_deref(), environment)?;
    let Config { aggregator, metrics, metrics_tls, .. } = &loaded.config;
    let (host, port, tls) = if aggregator.tls.wants_certificates() {
        ensure!(
            !metrics_tls.wants_certificates(),
            "both listeners want client certificates (clientCaFile), and there is none to show; \
             leave metrics.tls.clientCaFile out, or ask another way"
        );
        (&metrics.host, metrics.port, metrics_tls)
    } else {
        (&aggregator.host, aggregator.port, &aggregator.tls)
    };
    let host = match host {
        Host::Localhost => Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Ip(IpAddr::V4(ip)) if ip.is_unspecified() => Host::Ip(Ipv4Addr::LOCALHOST.into()),
        Host::Ip(IpAddr::V6(ip)) if ip.is_unspecified() => Host::Ip(Ipv6Addr::LOCALHOST.into()),
        host => host.clone(),
    };
    let authority = match host {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        host => host.to_string(),
    };
    let scheme = if tls.0.is_some() { "https" } else { "http" };
    Ok(Url::parse(&format!("{scheme}://{authority}:{port}/health"))?)
}

async fn ask(url: &Url, is_here: bool) -> anyhow::Result<StatusCode> {
    if is_here && url.scheme() == "https" {
        return here::ask(url).await;
    }
    let client = Client::new(Arc::new(Trust::new(&[])?), TaskTracker::new());
    let spec = Spec {
        url: url.clone(),
        http2: false,
        tls: Tls::default(),
        connect_timeout: PATIENCE,
        reach: Reach::Anywhere,
    };
    let destination = client.destination(spec).await?;
    let head = Head::new(Method::GET, &url.path().parse()?, HeaderMap::new());
    Ok(client.send(&destination, &head, Bytes::new()).await?.status())
}
