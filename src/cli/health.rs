//! `portcullis health`: asks a running gateway whether it is alive.

use clap::Args;
use url::Url;

use crate::cli::ConfigArgs;

/// Arguments of `portcullis health`.
#[derive(Clone, Debug, Default, Args)]
pub struct HealthArgs {
    /// The configuration of the gateway to ask, for its port.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Ask this URL instead, such as `http://localhost:8090/health`
    #[arg(long)]
    pub url: Option<Url>,
}
