//! What people choose between, from public registries: installed when it is first asked for, by `loadtest/peers/install`.
//!
//! Each of them runs as its own documentation starts it, with one process where that says nothing of more, and logs
//! no calls if there is a switch for that. None of them is asked who calls.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use aws_lc_rs::rand;
use http::Method;
use serde_json::json;
use tempfile::TempDir;

use super::process::{self, Process};
use super::{Front, MCP, Scene};
use crate::client::Connection;
use crate::load::Endpoint;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Of the Python index: `fastmcp`: its proxy, served by uvicorn.
    FastMcp,
    /// Of the Python index: `mcp-proxy`, which serves what speaks stdio: another one of itself, that is a client of the backend.
    McpProxyPy,
    /// Of the Python index: `mcp-contextforge-gateway`.
    ContextForge,
    /// Of the crates registry: `mcp-proxy`.
    McpProxy,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FastMcp, Self::McpProxyPy, Self::ContextForge, Self::McpProxy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FastMcp => "fastmcp",
            Self::McpProxyPy => "mcp-proxy-py",
            Self::ContextForge => "contextforge",
            Self::McpProxy => "mcp-proxy",
        }
    }

    /// What it puts before the name of a tool.
    fn prefix(self) -> &'static str {
        match self {
            Self::FastMcp | Self::McpProxyPy => "",
            Self::ContextForge => "raw-",
            Self::McpProxy => "raw/",
        }
    }

    /// Installs it if it is not there yet, and starts it in front of `backend`.
    pub(super) async fn start(self, backend: SocketAddr, scene: &Scene) -> anyhow::Result<Front> {
        self.install()?;
        let files = TempDir::with_prefix("loadtest-peer-").context("no temporary directory")?;
        let address = process::free_address()?;
        let backend = format!("http://{backend}/mcp");
        let mut command = self.command(address, &backend, files.path())?;
        command.current_dir(files.path());
        let mut process = Process::start(self.name(), command)?;
        if self == Self::ContextForge {
            register(&mut process, address, &backend).await?;
        }
        let tools = (0..scene.tools).map(|number| format!("{}tool{number}", self.prefix()));
        Ok(Front {
            process,
            address,
            path: if self == Self::McpProxy { "/" } else { MCP },
            tools: Some(tools.collect()),
            bearer: None,
            files: Some(files),
        })
    }

    fn install(self) -> anyhow::Result<()> {
        let mut install = Command::new(file("install"));
        let status = install.arg(self.name()).stdin(Stdio::null()).status();
        let status = status.context("loadtest/peers/install")?;
        ensure!(status.success(), "{} cannot be installed here: {status}", self.name());
        Ok(())
    }

    fn command(self, address: SocketAddr, backend: &str, files: &Path) -> anyhow::Result<Command> {
        let program = file("bin").join(self.name());
        let mut command = process::command(&program);
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        match self {
            Self::FastMcp => {
                command = process::command(&file("../../tests/peers/venvs/fastmcp/bin/python"));
                command.arg(file("fastmcp_proxy.py")).args([backend, &port]);
                command.env("FASTMCP_LOG_LEVEL", "WARNING");
            }
            Self::McpProxyPy => {
                command.args(["--log-level", "WARNING", "--host", &host, "--port", &port, "--"]);
                command.arg(&program).args(["--log-level", "WARNING"]);
                command.args(["--transport", "streamablehttp", backend]);
            }
            Self::ContextForge => {
                command.args(["--host", &host, "--port", &port]);
                command.envs(CONTEXT_FORGE).env("HOME", files);
                for secret in ["JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET"] {
                    command.env(secret, secret_for_a_run());
                }
                let database = files.join("mcp.db");
                command.env("DATABASE_URL", format!("sqlite:///{}", database.display()));
            }
            Self::McpProxy => {
                let config = files.join("proxy.toml");
                fs::write(&config, mcp_proxy(&host, &port, backend))?;
                command.arg("--config").arg(config);
            }
        }
        Ok(command)
    }
}

/// The configuration of the crate `mcp-proxy`, in TOML.
fn mcp_proxy(host: &str, port: &str, backend: &str) -> String {
    format!(
        r#"[proxy]
name = "loadtest"
listen = {{ host = "{host}", port = {port} }}
[[backends]]
name = "raw"
transport = "http"
url = "{backend}"
[observability]
log_level = "warn"
"#
    )
}

fn secret_for_a_run() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system has random numbers");
    format!("{:032x}", u128::from_ne_bytes(bytes))
}

/// Nobody has to log in, a backend on loopback is allowed, calls are not limited to some per minute, and what it
/// remembers is in its own memory.
const CONTEXT_FORGE: [(&str, &str); 6] = [
    ("AUTH_REQUIRED", "false"),
    ("ALLOW_UNAUTHENTICATED_ADMIN", "true"),
    ("MCPGATEWAY_ADMIN_API_ENABLED", "true"),
    ("SSRF_ALLOW_LOCALHOST", "true"),
    ("RATE_LIMITING_ENABLED", "false"),
    ("CACHE_TYPE", "memory"),
];

/// `ContextForge` learns of backends by its REST API.
async fn register(process: &mut Process, address: SocketAddr, backend: &str) -> anyhow::Result<()> {
    let url = format!("http://{address}/gateways").parse()?;
    let gateways = Endpoint { url, bearer: None, tools: Vec::new() };
    let gateway = json!({ "name": "raw", "url": backend, "transport": "STREAMABLEHTTP" });
    process
        .until("registration of a backend", async |_| {
            let mut connection = Connection::new(&gateways).await?;
            let body = gateway.to_string().into();
            connection.exchange(Method::POST, None, body).await?.expect_success()
        })
        .await
}

fn file(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(relative)
}
