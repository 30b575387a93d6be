//! `portcullis demo-server`: an MCP server to try the gateway with.

use std::net::SocketAddr;

use clap::Args;
use tokio::runtime;

use crate::demo;

/// Arguments of `portcullis demo-server`.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoServerArgs {
    /// Listen here for streamable HTTP instead of speaking on the standard streams
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
}

impl DemoServerArgs {
    /// Serves until the client goes, or until it is told to stop.
    ///
    /// # Errors
    /// When it cannot listen, or the client breaks the protocol.
    pub fn run(&self) -> anyhow::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(demo::run(self.http))
    }
}
