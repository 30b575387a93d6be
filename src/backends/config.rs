//! What one backend is made of, once its definition has been parsed and checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

/// One configured MCP server, checked: nothing in here waits to be parsed.
#[derive(Clone, Debug)]
pub struct Config {
    /// `metadata.name`: unique among the backends, a DNS label.
    pub name: Arc<str>,
    /// How it is reached.
    pub transport: Transport,
    /// Who shares a connection.
    pub isolation: Isolation,
    /// `spec.timeout`: how long connecting and initialising may take, the first start of a child
    /// process excepted, which has at least 60 s (it may be downloading itself).
    pub connect_timeout: Duration,
    /// `spec.gateway.callTimeout`: how long a call may stay without any event.
    pub call_timeout: Duration,
    /// `spec.gateway.maxInFlight`: calls at one time; `None` is half of the gateway's own limit.
    pub max_in_flight: Option<usize>,
    /// `spec.gateway.trustAnnotations`: whether tool annotations may loosen a decision.
    pub trust_annotations: bool,
}

/// How a backend is reached.
#[derive(Clone, Debug)]
pub enum Transport {
    /// A child process that speaks newline-delimited JSON-RPC on its standard streams.
    Stdio(Stdio),
    /// Streamable HTTP (2025-03-26 and later).
    StreamableHttp(Remote),
    /// HTTP+SSE (2024-11-05).
    Sse(Remote),
}

impl Transport {
    /// `spec.type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stdio(_) => "stdio",
            Self::StreamableHttp(_) => "streamable-http",
            Self::Sse(_) => "sse",
        }
    }
}

/// A child process.
#[derive(Clone, Debug)]
pub struct Stdio {
    /// The program: a path, or a name looked up in `PATH`. `portcullis` is this very binary.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables it gets besides `PATH`, `HOME` and the locale.
    pub env: BTreeMap<String, SecretString>,
    /// Its working directory; ours when absent.
    pub cwd: Option<PathBuf>,
}

/// A server reached over HTTP.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The MCP endpoint, `http` or `https`.
    pub url: Url,
    /// Headers sent with every request; values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `spec.gateway.http2`: HTTP/2, by ALPN or with prior knowledge.
    pub http2: bool,
    /// `spec.gateway.tls`.
    pub tls: Tls,
}

/// `spec.gateway.tls`: how a backend proves who it is, and how we do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of CA certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain; with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file of our private key; with `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The name the certificate must be for, instead of the URL's host.
    pub server_name: Option<String>,
}

/// `spec.gateway.isolation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// One connection for everybody (per set of client capabilities over HTTP).
    #[default]
    Shared,
    /// One connection for each client session.
    Session,
}
