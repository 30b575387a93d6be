//! What a load test is pointed at: the raw backend itself, and what stands in front of it.
//!
//! [`Target::start`] starts one of them with a raw backend of its own, each a child process on a free port of loopback and
//! with a clean environment, and returns once a checked `tools/call` has come back through it. Everything ends when
//! the [`Running`] is dropped.

mod backend;
mod gateway;
mod nginx;
mod peer;
mod process;
mod proxy;
mod ready;
mod startup;
mod static_handler;
mod token;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

pub use self::peer::Peer;
use self::process::Process;
pub use self::startup::{binary_bytes, start_to_listening};
pub use self::static_handler::StaticHandler;
use crate::load::{Bearer, Endpoint};

/// One of the things that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing in between: the raw backend itself.
    Direct,
    /// The yardstick: a hyper reverse proxy that looks at nothing.
    Plain,
    /// The same on the gateway's runtime, client and allocator.
    Floor,
    /// nginx, the familiar one.
    Nginx,
    /// Portcullis with only the router: `loadtest/only-router`.
    OnlyRouter,
    /// Portcullis with every layer on: `loadtest/every-layer`.
    EveryLayer,
    /// Somebody else's gateway.
    Peer(Peer),
}

/// What the backends offer, how many of them there are, and what a call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// How many servers a gateway is configured with; all of them are the one raw backend. Proxies have one.
    pub backends: usize,
    /// How many tools each of them has.
    pub tools: usize,
    /// How long the text of a result is at least, in bytes.
    pub size: usize,
    /// How many events a result is streamed in; with 0 it is one JSON message.
    pub events: usize,
    /// How long a call takes, in milliseconds.
    pub delay_ms: u64,
    /// Every so manyth call ends in a tool error; never with 0.
    pub error_every: u64,
}

impl Default for Scene {
    /// 10 backends of 20 tools that give a short message back at once.
    fn default() -> Self {
        Self { backends: 10, tools: 20, size: 0, events: 0, delay_ms: 0, error_every: 0 }
    }
}

/// Where the programs are that are started.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The gateway's binary.
    pub gateway: PathBuf,
    /// The directory of the load test's own binaries.
    pub own: PathBuf,
}

impl Programs {
    /// Those that were built together with `binary`, such as the one that runs.
    pub fn beside(binary: &Path) -> Self {
        let own = binary.parent().unwrap_or(Path::new(".")).to_owned();
        Self { gateway: own.join("portcullis"), own }
    }
}

/// A target that answers.
pub struct Running {
    /// Its MCP endpoint.
    pub url: String,
    /// The tools of all backends by the names that this target gives them.
    pub tools: Vec<String>,
    /// The access token that it asks for.
    pub bearer: Option<String>,
    /// What is measured; `None` if that is the backend.
    front: Option<Process>,
    backend: Process,
    /// What the processes read while they run.
    _files: Option<TempDir>,
}

/// Where nearly everybody has their MCP endpoint.
const MCP: &str = "/mcp";

/// What stands in front of a backend.
struct Front {
    process: Process,
    address: SocketAddr,
    /// Where its MCP endpoint is.
    path: &'static str,
    /// By the names it gives them, if those are not the backend's.
    tools: Option<Vec<String>>,
    bearer: Option<String>,
    files: Option<TempDir>,
}

impl Target {
    /// All that need no installation on demand, in the order of a report.
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Plain, Self::Floor, Self::Nginx, Self::OnlyRouter, Self::EveryLayer];

    /// What it is called on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Plain => "plain",
            Self::Floor => "floor",
            Self::Nginx => "nginx",
            Self::OnlyRouter => "only-router",
            Self::EveryLayer => "every-layer",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// The one with this name.
    ///
    /// # Errors
    /// When there is none; the message lists those that there are.
    pub fn by_name(name: &str) -> anyhow::Result<Self> {
        let all = || Self::ALL.into_iter().chain(Peer::ALL.map(Self::Peer));
        let found = all().find(|target| target.name() == name);
        found.with_context(|| {
            let names = all().map(Self::name).collect::<Vec<_>>();
            format!("{name:?} is no target; there are {}", names.join(", "))
        })
    }

    /// Starts it with a raw backend of its own, and waits until a call is answered.
    ///
    /// # Errors
    /// When a program is missing, ends or does not answer in time; the message has what it wrote.
    pub async fn start(self, programs: &Programs, scene: &Scene) -> anyhow::Result<Running> {
        let (backend, address) = backend::start(programs, scene).await?;
        let front = match self {
            Self::Direct => None,
            Self::Plain => Some(proxy::start(programs, "plain-proxy", address).await?),
            Self::Floor => Some(proxy::start(programs, "floor-proxy", address).await?),
            Self::Nginx => Some(nginx::start(address)?),
            Self::OnlyRouter | Self::EveryLayer => {
                Some(gateway::start(programs, self.name(), address, scene).await?)
            }
            Self::Peer(peer) => Some(peer.start(address, scene).await?),
        };
        let mut running = Running::new(backend, address, front, scene);
        ready::wait(&mut running).await?;
        Ok(running)
    }
}

impl Running {
    fn new(backend: Process, address: SocketAddr, front: Option<Front>, scene: &Scene) -> Self {
        let tools = || (0..scene.tools).map(|number| format!("tool{number}")).collect();
        let url = |address, path| format!("http://{address}{path}");
        match front {
            None => Self {
                url: url(address, MCP),
                tools: tools(),
                bearer: None,
                front: None,
                backend,
                _files: None,
            },
            Some(front) => Self {
                url: url(front.address, front.path),
                tools: front.tools.unwrap_or_else(tools),
                bearer: front.bearer,
                front: Some(front.process),
                backend,
                _files: front.files,
            },
        }
    }

    /// The same as what calls go to.
    ///
    /// # Errors
    /// When its access token cannot stand in a header.
    pub fn endpoint(&self) -> anyhow::Result<Endpoint> {
        Ok(Endpoint {
            url: self.url.parse()?,
            bearer: self.bearer.as_deref().map(Bearer::new).transpose()?,
            tools: self.tools.clone(),
        })
    }

    /// The processes of what is measured, with their threads; not those of the backend in front of which it stands.
    pub fn pids(&self) -> Vec<u32> {
        self.measured().pids()
    }

    /// The processes of the backend.
    pub fn backend_pids(&self) -> Vec<u32> {
        self.backend.pids()
    }

    fn measured(&self) -> &Process {
        self.front.as_ref().unwrap_or(&self.backend)
    }

    fn measured_mut(&mut self) -> &mut Process {
        self.front.as_mut().unwrap_or(&mut self.backend)
    }
}
