//! `MCPServer`: the fields and rules of muster's custom resource, and `spec.gateway`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use crate::backends::{self, Remote, Stdio, Transport};
use crate::catalogue::{FamilyName, Prefix};
use crate::config::{Data, Fields, Location, hint};
use crate::definitions::gateway::Gateway;
use crate::definitions::{Server, auth};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Stdio,
    StreamableHttp,
    Sse,
}

/// What `spec` says, right or not.
#[derive(Default)]
struct Spec {
    transport_type: Option<Type>,
    tool_prefix: Option<String>,
    family: Option<FamilyName>,
    description: Option<String>,
    auto_start: bool,
    command: Option<String>,
    args: Vec<String>,
    url: Option<Url>,
    written_url: Option<String>,
    env: Vec<(String, SecretString)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Option<u64>,
    gateway: Gateway,
}

/// Reads `spec`. `None` means that a problem was reported; there may be problems with `Some` too.
pub(super) fn read(fields: &mut Fields<'_, '_>, name: &str, source: Location) -> Option<Server> {
    let mut spec = Spec::default();
    if !fields.has("spec") {
        fields.problem("spec", "is missing; it says how the server is reached");
        return None;
    }
    fields.within("spec", |fields| {
        spec.read(fields);
        spec.check(fields);
    });
    spec.build(name, source)
}

impl Spec {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        fields.moved("name", "stands in metadata.name now; move it there");
        self.transport_type = fields.get_with("type", transport_type);
        self.tool_prefix = fields.get_with("toolPrefix", tool_prefix);
        self.family = family(fields);
        self.description = fields.get_with("description", description);
        fields.set("autoStart", &mut self.auto_start);
        self.command = command(fields);
        self.args = fields.list("args", argument).unwrap_or_default();
        self.url = fields.get("url");
        self.written_url = fields.data("url").and_then(Data::shown).map(str::to_owned);
        self.env = fields.secrets("env", variable).unwrap_or_default();
        self.headers = fields.secrets("headers", header).unwrap_or_default();
        self.timeout = fields.get_with("timeout", timeout);
        fields.within("auth", auth::read);
        fields.section("gateway", &mut self.gateway);
    }

    /// What no field can see alone.
    fn check(&self, fields: &mut Fields<'_, '_>) {
        if !fields.has("type") {
            fields.problem("type", "is missing; use stdio, streamable-http or sse");
        }
        if self.family.is_some() && self.gateway.expose.prefix == Prefix::None {
            fields.problem("family", "does not go with gateway.expose.prefix none; remove one");
        }
        match self.transport_type {
            None => {}
            Some(Type::Stdio) => {
                if !fields.has("command") {
                    fields.problem("command", "is missing; a stdio server needs it");
                }
                if fields.has("headers") {
                    fields.problem("headers", "only goes with a remote server; use env");
                }
                if fields.has("url") {
                    fields.warning("url", "has no effect on a stdio server");
                }
                self.only(fields, "a remote server", &["http2", "tls"]);
            }
            Some(Type::StreamableHttp | Type::Sse) => {
                if !fields.has("url") {
                    fields.problem("url", "is missing; a remote server needs it");
                }
                if fields.has("args") {
                    fields.problem("args", "only goes with a stdio server");
                }
                for key in ["command", "env"] {
                    if fields.has(key) {
                        fields.warning(key, "has no effect on a remote server");
                    }
                }
                self.only(fields, "a stdio server", &["cwd"]);
            }
        }
    }

    fn only(&self, fields: &mut Fields<'_, '_>, kind: &str, keys: &[&str]) {
        for key in keys {
            let set = match *key {
                "http2" => self.gateway.http2,
                "tls" => self.gateway.tls != backends::Tls::default(),
                _ => self.gateway.cwd.is_some(),
            };
            if set {
                fields.problem_below("gateway", key, format!("only goes with {kind}"));
            }
        }
    }

    fn build(self, name: &str, source: Location) -> Option<Server> {
        let stdio = |command| Stdio {
            command,
            args: self.args,
            env: self.env.into_iter().collect(),
            cwd: self.gateway.cwd,
        };
        let remote = |url| Remote {
            url,
            headers: self.headers,
            http2: self.gateway.http2,
            tls: self.gateway.tls,
        };
        let transport = match self.transport_type? {
            Type::Stdio => Transport::Stdio(stdio(self.command?)),
            Type::StreamableHttp => Transport::StreamableHttp(remote(self.url?)),
            Type::Sse => Transport::Sse(remote(self.url?)),
        };
        let config = backends::Config {
            name: Arc::from(name),
            transport,
            isolation: self.gateway.isolation,
            connect_timeout: Duration::from_secs(self.timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS)),
            call_timeout: self.gateway.call_timeout,
            max_in_flight: self.gateway.max_in_flight,
            trust_annotations: self.gateway.trust_annotations,
        };
        Some(Server {
            config,
            auto_start: self.auto_start,
            tool_prefix: self.tool_prefix,
            family: self.family,
            expose: self.gateway.expose,
            description: self.description,
            written_url: self.written_url,
            source,
        })
    }
}

const DEFAULT_TIMEOUT_SECONDS: u64 = 30;
fn transport_type(text: &str) -> Result<Type, String> {
    Err(match text {
        "stdio" => return Ok(Type::Stdio),
        "streamable-http" => return Ok(Type::StreamableHttp),
        "sse" => return Ok(Type::Sse),
        "localCommand" => {
            "is an old spelling; write type: stdio, with command and args apart".to_owned()
        }
        "http" | "remote" => "is unknown; write streamable-http".to_owned(),
        _ => {
            let near = hint(text, ["stdio", "streamable-http", "sse"]);
            format!("is unknown; use stdio, streamable-http or sse{near}")
        }
    })
}

/// Both parts or neither.
fn family(fields: &mut Fields<'_, '_>) -> Option<FamilyName> {
    let mut family = None;
    fields.within("family", |fields| {
        let name = fields.get_with("name", tool_prefix);
        let argument = fields.get_with("instanceArg", tool_prefix);
        for key in ["name", "instanceArg"] {
            if (fields.has("name") || fields.has("instanceArg")) && !fields.has(key) {
                fields.problem(key, "is missing; a family needs a name and an instanceArg");
            }
        }
        family = name.zip(argument);
    });
    family.map(|(name, argument)| FamilyName { name: name.into(), instance_arg: argument.into() })
}

fn tool_prefix(text: &str) -> Result<String, String> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let fault = "is not a prefix; use a letter, then letters, digits, - and _";
    if fits { Ok(text.to_owned()) } else { Err(fault.to_owned()) }
}

fn description(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length <= 500 {
        return Ok(text.to_owned());
    }
    let head: String = text.chars().take(20).collect();
    Err(format!("is {length} characters long (\"{head}…\"); 500 are the limit"))
}

fn command(fields: &mut Fields<'_, '_>) -> Option<String> {
    if let Some(Data::List(items)) = fields.data("command") {
        let mut words = items.iter().filter_map(|item| item.text());
        let command = words.next().unwrap_or("…");
        let args: Vec<_> = words.map(str::to_owned).collect();
        let args = backends::shown_arguments(&args).join(", ");
        let message = format!("is one program; write command: {command} and args: [{args}] apart");
        fields.problem("command", message);
        return None;
    }
    fields.get_with("command", |text| {
        let empty = text.trim().is_empty() || text.contains('\0');
        if empty { Err("is not a program".to_owned()) } else { Ok(text.to_owned()) }
    })
}

fn argument(text: &str) -> Result<String, String> {
    if text.contains('\0') { Err("holds a NUL".to_owned()) } else { Ok(text.to_owned()) }
}

fn timeout(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=300).contains(seconds));
    seconds.ok_or_else(|| "is not a number of seconds from 1 to 300, without a unit".to_owned())
}

fn variable(name: &str, value: &str) -> Result<(String, SecretString), String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err("is not the name of an environment variable".to_owned());
    }
    if value.contains('\0') {
        return Err("has a value with a NUL in it".to_owned());
    }
    Ok((name.to_owned(), value.into()))
}

/// Headers that belong to the transport; the gateway sets those that are needed.
const OWN_HEADERS: [&str; 15] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName = name.parse().map_err(|_| "is not the name of a header")?;
    if OWN_HEADERS.contains(&name.as_str()) {
        return Err("is set by Portcullis itself; remove it".to_owned());
    }
    let mut value: HeaderValue =
        value.parse().map_err(|_| "has a value that no header can have, a line end for example")?;
    value.set_sensitive(true);
    Ok((name, value))
}
