//! Where the pinned peers are, and what happens when they are not.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::inherit_nothing_of_ours;

use serde_json::Value;

/// Other people's servers and clients, installed by `tests/peers/install`.
#[derive(Clone, Debug)]
pub struct Peers {
    root: PathBuf,
    authority: Option<PathBuf>,
}

impl Peers {
    /// The peers, or `None` after saying why the calling test is skipped; with `CI=true` a missing peer fails the test.
    pub fn installed() -> Option<Self> {
        Self::with(&["promtool"])
    }

    /// As [`Peers::installed`], with these programs in `tests/peers/bin` as well.
    pub fn with(programs: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
        let root =
            root.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        match check(&root, programs) {
            Ok(()) => Some(Self { root, authority: None }),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    /// The same, whose clients trust this certificate authority, in PEM, over TLS.
    #[must_use]
    pub fn trusting(&self, authority: &Path) -> Self {
        Self { authority: Some(authority.to_owned()), ..self.clone() }
    }

    /// The variables that tell Node and Python whom to trust.
    pub(crate) fn trust(&self) -> Vec<(&'static str, &Path)> {
        let authority = self.authority.as_deref();
        let names = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];
        names.into_iter().filter_map(|name| Some((name, authority?))).collect()
    }

    /// A file of `tests/peers`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The command line of a script of `tests/peers`: `node` for JavaScript, for Python the interpreter of `venv`.
    pub(crate) fn script(&self, venv: &str, script: &str) -> Vec<String> {
        let interpreter =
            if Path::new(script).extension().is_some_and(|extension| extension == "py") {
                text(&self.path(&format!("venvs/{venv}/bin/python")))
            } else {
                self.node()
            };
        vec![interpreter, text(&self.path(script))]
    }

    fn node(&self) -> String {
        text(&self.path("bin/node"))
    }

    fn package(&self, file: &str) -> Vec<String> {
        vec![self.node(), text(&self.path(&format!("node_modules/@modelcontextprotocol/{file}")))]
    }

    fn console_script(&self, name: &str) -> String {
        text(&self.path(&format!("venvs/servers/bin/{name}")))
    }

    /// Command line of npm `server-everything` over stdio.
    pub fn everything_stdio(&self) -> Vec<String> {
        [self.script("", "servers/everything.mjs"), vec!["stdio".to_owned()]].concat()
    }

    /// Command line of the conformance fixture over stdio.
    pub fn fixture_stdio(&self) -> Vec<String> {
        [self.script("", "fixture/fixture.mjs"), vec!["stdio".to_owned()]].concat()
    }

    /// Command line of a server over stdio that does what servers should not: see `servers/misbehave.mjs`.
    pub fn misbehave_stdio(&self) -> Vec<String> {
        [self.script("", "servers/misbehave.mjs"), vec!["stdio".to_owned()]].concat()
    }

    /// Command line of a server over stdio that offers these tools and answers with the calls it gets: see
    /// `servers/offer.mjs`.
    pub fn offer_stdio(&self, tools: &Value) -> Vec<String> {
        let script = self.script("", "servers/offer.mjs");
        [script, vec!["stdio".to_owned(), tools.to_string()]].concat()
    }

    /// Command line of npm `server-filesystem`, allowed to use `directory`.
    pub fn filesystem_stdio(&self, directory: &Path) -> Vec<String> {
        [self.package("server-filesystem/dist/index.js"), vec![text(directory)]].concat()
    }

    /// Command line of npm `server-memory`; set `MEMORY_FILE_PATH` in its environment.
    pub fn memory_stdio(&self) -> Vec<String> {
        self.package("server-memory/dist/index.js")
    }

    /// Command line of the Python `mcp-server-time`.
    pub fn time_stdio(&self) -> Vec<String> {
        vec![
            self.console_script("mcp-server-time"),
            "--local-timezone".to_owned(),
            "UTC".to_owned(),
        ]
    }

    /// Command line of the Python `mcp-server-git` for the repository in `directory`.
    pub fn git_stdio(&self, directory: &Path) -> Vec<String> {
        vec![self.console_script("mcp-server-git"), "--repository".to_owned(), text(directory)]
    }
}

/// A command from a command line.
pub(crate) fn command(line: &[String]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    inherit_nothing_of_ours(&mut command);
    command
}

/// Says why the calling test cannot run here. With `CI=true` that fails it; otherwise the caller returns, and the line
/// goes to the file named by `PORTCULLIS_SKIPPED` as well, because a test that passes shows no output.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot be skipped in CI: {why}");
    eprintln!("skipped {test}: {why}");
    if let Some(path) = std::env::var_os("PORTCULLIS_SKIPPED") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the list of skipped tests");
        writeln!(file, "{test}: {why}").expect("the list of skipped tests");
    }
}

/// The links have to lead to an installation of the lock files as they are now.
fn check(root: &Path, programs: &[&str]) -> Result<(), String> {
    let pairs = [
        ("node/package-lock.json", "node_modules/../package-lock.json"),
        ("python/mcp-v1.txt", "venvs/mcp-v1.txt"),
        ("python/mcp-v2.txt", "venvs/mcp-v2.txt"),
        ("python/fastmcp.txt", "venvs/fastmcp.txt"),
        ("python/servers.txt", "venvs/servers.txt"),
    ];
    for (wanted, installed) in pairs {
        let wanted = fs::read(root.join(wanted))
            .map_err(|error| format!("tests/peers/{wanted}: {error}"))?;
        if fs::read(root.join(installed)).ok() != Some(wanted) {
            return Err("the peers are not installed: run tests/peers/install".to_owned());
        }
    }
    for tool in [&["node"], programs].concat() {
        if !root.join("bin").join(tool).exists() {
            return Err(format!("{tool} is not installed: run tests/peers/install"));
        }
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
