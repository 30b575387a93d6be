//! `portcullis health`: asks a running gateway whether it is alive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::Full;
use tokio::{runtime, time};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::app::load::load;
use crate::cli::ConfigArgs;
use crate::config::{Environment, Host};
use crate::outbound::{Client, Reach, Spec, Tls, Trust};

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
        let url = match self.url {
            Some(url) => url,
            None => configured(&self.config, environment)?,
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        // A timer is made inside of the runtime, or there is none.
        let asked = runtime.block_on(async { time::timeout(PATIENCE, ask(&url)).await });
        asked.with_context(|| format!("{url} did not answer within {PATIENCE:?}"))??;
        println!("healthy");
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the gateway of a configuration answers on this machine.
fn configured(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<Url> {
    let loaded = load(args.config.as_deref(), environment)?;
    let aggregator = &loaded.config.aggregator;
    let host = match &aggregator.host {
        Host::Localhost => Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Ip(IpAddr::V4(ip)) if ip.is_unspecified() => Host::Ip(Ipv4Addr::LOCALHOST.into()),
        Host::Ip(IpAddr::V6(ip)) if ip.is_unspecified() => Host::Ip(Ipv6Addr::LOCALHOST.into()),
        host => host.clone(),
    };
    let authority = match host {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        host => host.to_string(),
    };
    Ok(Url::parse(&format!("http://{authority}:{}/health", aggregator.port))?)
}

async fn ask(url: &Url) -> anyhow::Result<()> {
    let client = Client::new(Arc::new(Trust::new(&[])?), TaskTracker::new());
    let spec = Spec {
        url: url.clone(),
        http2: false,
        tls: Tls::default(),
        connect_timeout: PATIENCE,
        reach: Reach::Anywhere,
    };
    let destination = client.destination(spec).await?;
    let request = Request::get(url.path()).body(Full::<Bytes>::default())?;
    let response = client.send(&destination, request).await?;
    ensure!(response.status().is_success(), "{url} answered {}", response.status());
    Ok(())
}
