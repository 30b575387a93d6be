//! Other people's clients, run against an endpoint.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::peers::command;
use crate::{IdentityProvider, Peers, Process, rmcp_client, within};

/// A client has its own deadline of a minute and says what it waited for; this one is for a client that hangs.
const CLIENT_DEADLINE: Duration = Duration::from_secs(90);
const SUITE_DEADLINE: Duration = Duration::from_secs(200);

/// A client nobody here wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// TypeScript SDK v1.
    TsV1,
    /// TypeScript SDK v2 as it comes: 2025.
    TsV2,
    /// TypeScript SDK v2 that asks for 2026-07-28 first.
    TsV2Auto,
    /// Python SDK v1.
    PyV1,
    /// Python SDK v2 as it comes: asks for 2026-07-28 first.
    PyV2,
    /// Python SDK v2 told to speak 2025.
    PyV2Legacy,
    /// `FastMCP`, on the Python SDK v2.
    FastMcp,
    /// The command line of the MCP Inspector.
    Inspector,
    /// mcp-remote, the bridge desktop clients use.
    McpRemote,
    /// rmcp, the SDK for Rust, in this process.
    Rmcp,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TsV1,
        Self::TsV2,
        Self::TsV2Auto,
        Self::PyV1,
        Self::PyV2,
        Self::PyV2Legacy,
        Self::FastMcp,
        Self::Inspector,
        Self::McpRemote,
        Self::Rmcp,
    ];

    /// Those that know HTTP+SSE: `http://…/sse`.
    pub const SSE: [Self; 9] = [
        Self::TsV1,
        Self::TsV2,
        Self::TsV2Auto,
        Self::PyV1,
        Self::PyV2,
        Self::PyV2Legacy,
        Self::FastMcp,
        Self::Inspector,
        Self::McpRemote,
    ];

    /// Those that log in through a browser.
    pub const LOGIN_BY_CODE: [Self; 8] = [
        Self::TsV1,
        Self::TsV2,
        Self::TsV2Auto,
        Self::PyV2,
        Self::PyV2Legacy,
        Self::FastMcp,
        Self::Inspector,
        Self::McpRemote,
    ];

    /// Those that log in with client credentials.
    pub const LOGIN_BY_CREDENTIALS: [Self; 5] =
        [Self::TsV1, Self::TsV2, Self::TsV2Auto, Self::PyV2, Self::PyV2Legacy];

    /// Those that start a gateway themselves: see [`Gateway::stdio_endpoint`](crate::Gateway::stdio_endpoint).
    pub const STDIO: [Self; 6] =
        [Self::TsV1, Self::TsV2, Self::TsV2Auto, Self::PyV1, Self::PyV2, Self::PyV2Legacy];

    /// venv, script and era of a client that is a program.
    fn program(self) -> Option<(&'static str, &'static str, &'static str)> {
        Some(match self {
            Self::TsV1 => ("", "clients/ts_v1.mjs", ""),
            Self::TsV2 => ("", "clients/ts_v2.mjs", "legacy"),
            Self::TsV2Auto => ("", "clients/ts_v2.mjs", "auto"),
            Self::PyV1 => ("mcp-v1", "clients/py_v1.py", ""),
            Self::PyV2 => ("mcp-v2", "clients/py_v2.py", "auto"),
            Self::PyV2Legacy => ("mcp-v2", "clients/py_v2.py", "legacy"),
            Self::FastMcp => ("fastmcp", "clients/fastmcp_client.py", ""),
            Self::Inspector => ("", "clients/inspector.mjs", "legacy"),
            Self::McpRemote => ("", "clients/mcp_remote.mjs", ""),
            Self::Rmcp => return None,
        })
    }

    /// Connects to `url`, which may be any endpoint the client knows, lists the tools and calls `tool`: `{ok, protocol, tools, result}`, or `{ok: false, error}`.
    pub async fn run(self, peers: &Peers, url: &str, tool: &str, arguments: &Value) -> Value {
        with_result(self.run_all(peers, url, &[(tool, arguments.clone())]).await)
    }

    /// As [`Client::run`], but makes several calls of a tool and its arguments, one after the other; the report has
    /// `results`.
    pub async fn run_all(self, peers: &Peers, url: &str, calls: &[(&str, Value)]) -> Value {
        self.run_as(peers, url, calls, Vec::new()).await
    }

    /// As [`Client::run`], but proves who it is, first, in the way that the endpoint's challenge leads to.
    pub async fn log_in(
        self,
        peers: &Peers,
        url: &str,
        tool: &str,
        arguments: &Value,
        login: Login<'_>,
    ) -> Value {
        let calls = [(tool, arguments.clone())];
        with_result(self.run_as(peers, url, &calls, login.variables(peers)).await)
    }

    async fn run_as(
        self,
        peers: &Peers,
        url: &str,
        calls: &[(&str, Value)],
        variables: Vec<(&'static str, String)>,
    ) -> Value {
        let Some((venv, script, era)) = self.program() else {
            return within("rmcp", rmcp_client::run(url, calls)).await;
        };
        let mut command = command(&peers.script(venv, script));
        command.arg(url).env("PEER_ERA", era).envs(peers.trust()).envs(variables);
        for (tool, arguments) in calls {
            command.args([*tool, &arguments.to_string()]);
        }
        last_json_line(script, command, CLIENT_DEADLINE).await
    }
}

/// The one result of a report under its own name. A client that failed has none.
fn with_result(mut report: Value) -> Value {
    let result = report.pointer_mut("/results/0").map(Value::take);
    report["result"] = result.unwrap_or_default();
    report
}

/// How a client gets its token. It learns from the endpoint where.
#[derive(Clone, Copy, Debug)]
pub enum Login<'a> {
    /// It registers itself and sends its user, who is alice, to the issuer: authorization code with PKCE.
    Code,
    /// With client credentials of the issuer at this URL, who is an [`IdentityProvider`].
    Credentials(&'a str),
}

impl Login<'_> {
    /// What tells the clients of `tests/peers` about it.
    fn variables(self, peers: &Peers) -> Vec<(&'static str, String)> {
        match self {
            // FastMCP waits for its browser unless that goes to the background.
            Self::Code => {
                let browser = peers.script("", "clients/browser.mjs").join(" ");
                vec![("PEER_LOGIN", "code".to_owned()), ("BROWSER", format!("{browser} %s &"))]
            }
            Self::Credentials(issuer) => {
                let client = IdentityProvider::SERVICE;
                let variables = [
                    ("PEER_LOGIN", "credentials"),
                    ("PEER_ISSUER", issuer),
                    ("PEER_CLIENT", client),
                    ("PEER_SECRET", &IdentityProvider::secret(client)),
                    ("PEER_SCOPE", "mcp:read"),
                ];
                variables.map(|(name, value)| (name, value.to_owned())).into()
            }
        }
    }
}

/// What the conformance suite found.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// How many scenarios count at this revision.
    pub scored: u64,
    /// How many of those passed.
    pub passed: u64,
    /// Failed checks by scenario, scored or not.
    pub failures: BTreeMap<String, Vec<String>>,
}

impl Peers {
    /// Everything a TypeScript client can do with `server-everything`: `[[step, value], …]`. `options` are those of
    /// `conversation.mjs`.
    pub async fn conversation(&self, url: &str, options: &[&str]) -> Value {
        let mut command = command(&self.script("", "clients/conversation.mjs"));
        command.arg(url).args(options);
        transcript("conversation.mjs", command).await
    }

    /// The same with the Python SDK; `prefix` stands before the names of tools and prompts.
    pub async fn python_conversation(&self, url: &str, prefix: &str) -> Value {
        let mut command = command(&self.script("mcp-v1", "clients/conversation.py"));
        command.args([url, prefix]);
        transcript("conversation.py", command).await
    }

    /// Runs the official conformance suite at `revision` against `url`.
    pub async fn conformance(&self, url: &str, revision: &str) -> Conformance {
        let mut command = command(&self.script("", "conformance/run.mjs"));
        command.args([url, "--revision", revision]);
        let report = last_json_line("conformance", command, SUITE_DEADLINE).await;
        let scenarios = report["scenarios"].as_object().expect("the report names scenarios");
        let failures = scenarios.iter().filter_map(|(name, scenario)| {
            let failures = scenario["failures"].as_array().expect("a scenario lists its failures");
            let failures: Vec<_> = failures
                .iter()
                .map(|failure| failure.as_str().unwrap_or_default().to_owned())
                .collect();
            (!failures.is_empty()).then(|| (name.clone(), failures))
        });
        Conformance {
            scored: report["scored"].as_u64().expect("a number of scored scenarios"),
            passed: report["passed"].as_u64().expect("a number of passed scenarios"),
            failures: failures.collect(),
        }
    }
}

async fn transcript(name: &str, command: Command) -> Value {
    let mut report = last_json_line(name, command, CLIENT_DEADLINE).await;
    assert_eq!(report["ok"], true, "{name}: {}", report["error"]);
    report["transcript"].take()
}

/// Peers print what they found as the last line of stdout that is JSON; the browser that one of them
/// opens may be later with a line of its own.
async fn last_json_line(name: &str, mut command: Command, deadline: Duration) -> Value {
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = Process::spawn(name, command);
    process.finished(deadline).await;
    let stdout = process.stdout();
    let report = stdout.iter().rev().find_map(|line| serde_json::from_str(line).ok());
    report.unwrap_or_else(|| panic!("{name} printed no report\n{}", process.output()))
}
