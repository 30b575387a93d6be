//! `portcullis demo-server`: an MCP server to try the gateway with.

use std::net::SocketAddr;

use clap::Args;

/// Arguments of `portcullis demo-server`.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoServerArgs {
    /// Listen here for streamable HTTP instead of speaking on the standard streams
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
}
