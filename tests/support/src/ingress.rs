//! Real ingresses: nginx and HAProxy, each a child process that inherits the socket it listens on.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::{Peers, Process};

/// Which ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// nginx.
    Nginx,
    /// HAProxy.
    HaProxy,
}

impl Proxy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nginx, Self::HaProxy];

    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
        }
    }

    /// What a package puts around the file its user writes, without daemons, fixed paths and fixed ports.
    fn file(self, config: &str) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|of| format!("{of}_temp_path {of};\n")).concat();
        match self {
            // One worker, so that it takes upstream servers strictly in turn. `user` matters to root alone.
            Self::Nginx => format!(
                "daemon off; user root; worker_processes 1; pid nginx.pid; error_log stderr notice;\n\
                 events {{}}\nhttp {{\naccess_log off;\n{temporary}{config}\n}}\n"
            ),
            Self::HaProxy => format!("{config}\n"),
        }
    }

    fn command(self, peers: &Peers, directory: &Path, check: bool) -> Command {
        let mut command = Command::new(peers.path("bin").join(self.program()));
        command.current_dir(directory);
        match self {
            Self::Nginx => command.args(["-e", "stderr", "-c", "config", "-p"]).arg(directory),
            Self::HaProxy => command.args(["-db", "-f", "config"]),
        };
        if check {
            command.arg(if self == Self::Nginx { "-t" } else { "-c" });
        }
        // The socket is stdin; nginx takes it for the `listen` with its address.
        command.env("NGINX", "0;");
        command
    }
}

/// The socket of an ingress that is not running yet: gateways may have to know its address first.
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

impl Door {
    /// Listens on a free port of loopback. Who connects before the ingress runs waits for it.
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        Self { listener, address }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What `proxy` has to be told to listen on.
    pub fn listen(&self, proxy: Proxy) -> String {
        match proxy {
            Proxy::Nginx => self.address(),
            Proxy::HaProxy => "fd@0".to_owned(),
        }
    }

    fn stdin(&self) -> Stdio {
        OwnedFd::from(self.listener.try_clone().expect("a second descriptor")).into()
    }
}

/// A running ingress. What it wrote is shown if the test fails.
pub struct Ingress {
    process: Process,
    address: String,
    _directory: TempDir,
}

impl Ingress {
    /// Starts `proxy` behind `door`. `config` is what stands in `http` of nginx, or all of HAProxy's file, and has to
    /// listen on [`Door::listen`]. The
    /// `files` lie beside it.
    pub fn start(
        peers: &Peers,
        proxy: Proxy,
        door: Door,
        config: &str,
        files: &[(&str, &str)],
    ) -> Self {
        let directory = TempDir::with_prefix("portcullis-ingress-").expect("a temporary directory");
        let path = directory.path();
        for (name, text) in [files, &[("config", &proxy.file(config))]].concat() {
            fs::write(path.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let mut check = proxy.command(peers, path, true);
        let checked = check.stdin(door.stdin()).output();
        let checked = checked.unwrap_or_else(|error| panic!("{}: {error}", proxy.program()));
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {said}\n{config}", proxy.program());
        let command = proxy.command(peers, path, false);
        let address = door.address();
        // Nobody else holds the socket, so connections fail once the ingress is gone.
        let process =
            Process::spawn_with(proxy.program(), command, OwnedFd::from(door.listener).into());
        Self { process, address, _directory: directory }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.process.output());
        }
    }
}
