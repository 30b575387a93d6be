//! nginx, configured as a sensible operator would for MCP.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::process::{self, Process};
use super::{Front, MCP};

/// Starts it in front of `backend`, listening on a socket that it inherits: no port has to be guessed.
pub(super) fn start(backend: SocketAddr) -> anyhow::Result<Front> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/bin/nginx");
    ensure!(program.exists(), "nginx is missing: tests/peers/install ingress brings it");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    // It is shared by two workers, of which one would wait for a connection that the other one has got.
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let files = TempDir::with_prefix("loadtest-nginx-").context("no temporary directory")?;
    fs::write(files.path().join("nginx.conf"), config(address, backend))?;
    let mut command = process::command(&program);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(files.path());
    // Descriptor 0 is the socket; nginx takes it for the `listen` with its address.
    command.env("NGINX", "0;").current_dir(files.path());
    let process = Process::start_with("nginx", command, OwnedFd::from(listener).into())?;
    Ok(Front { process, address, path: MCP, tools: None, bearer: None, files: Some(files) })
}

/// - `worker_processes 2`: one for each core of the project's machine.
/// - `keepalive` of as many connections as clients keep open at most, and never closed for their age or number of
///   requests: a proxy that connects anew for every call measures the kernel.
/// - `proxy_buffering off`, so that every event of a stream is passed on at once, as `docs/ingress.md` says of servers
///   that do not ask for it themselves; requests are buffered, as they are by default.
/// - No access log: neither of the other proxies writes one.
fn config(listen: SocketAddr, backend: SocketAddr) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|of| format!("    {of}_temp_path {of};\n")).concat();
    format!(
        "daemon off;
user root;
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
{temporary}    access_log off;
    keepalive_requests 1000000000;
    upstream backend {{
        server {backend};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_time 1d;
    }}
    server {{
        listen {listen};
        client_max_body_size 4m;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_buffering off;
        proxy_read_timeout 1h;
        location / {{
            proxy_pass http://backend;
        }}
    }}
}}
"
    )
}
