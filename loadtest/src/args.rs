//! The command line.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use anyhow::Context;
use clap::{Parser, Subcommand};
use http::Uri;
use portcullis_loadtest::compare;
use portcullis_loadtest::load::{self, Bearer, End, Endpoint, Load, Method, Pace, expand};
use portcullis_loadtest::target::{Programs, Running};

/// How long a run takes unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(5);
/// Where a bearer token may stand: other users of the machine can read a command line, but not this.
const BEARER: &str = "LOADTEST_BEARER";

/// Puts MCP endpoints on loopback under load.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Calls tools, checks every answer and says how long they took
    Call(Call),
    /// Opens sessions and streams and keeps them open and idle, until stdin ends or for --duration
    Hold(Hold),
    /// Calls targets in turns and says what each of them costs
    Compare(compare::Args),
    /// Starts one target with a backend, and ends it when a command has ended that finds it in its environment
    Start(Start),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    #[command(flatten)]
    target: Target,
    /// A tool that takes `message` and gives it back as the beginning of a text; with ranges as in
    /// `x_raw{0..9}_tool{0..19}` or given repeatedly, all are called in turn
    #[arg(long = "tool", required_if_eq_any = [("method", "call"), ("method", "call-tool")])]
    tools: Vec<String>,
    /// What to call
    #[arg(long, value_enum, default_value = "call")]
    method: Method,
    /// How many connections call at the same time
    #[arg(long, default_value = "32")]
    connections: NonZeroUsize,
    /// How many sessions to open; connections use them in turn [default: one for each connection]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    sessions: usize,
    /// Let calls be due at this rate per second, all connections together, and count latency from then [default: call when
    /// the last call has been answered]
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// How long each connection waits between an answer and its next call
    #[arg(long, value_parser = duration, default_value = "0ms", conflicts_with = "rate")]
    think: Duration,
    /// How long the message is at least, in bytes
    #[arg(long, default_value_t = 0)]
    request_size: usize,
    /// How long to call before counting
    #[arg(long, value_parser = duration, default_value = "0ms")]
    warmup: Duration,
    /// How long to call: 500ms, 5s, 2m [default: 5s]
    #[arg(long, value_parser = duration, conflicts_with = "calls")]
    duration: Option<Duration>,
    /// How many calls to make in all
    #[arg(long)]
    calls: Option<u64>,
    /// A process under test, which is measured with its children; may be given repeatedly
    #[arg(long = "pid")]
    processes: Vec<u32>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Hold {
    #[command(flatten)]
    target: Target,
    /// How many sessions to open
    #[arg(long)]
    sessions: NonZeroUsize,
    /// Open no stream beside each session
    #[arg(long)]
    without_streams: bool,
    /// How many connections open sessions and streams at the same time
    #[arg(long, default_value = "32")]
    connections: NonZeroUsize,
    /// How long to hold them: 500ms, 5s, 2m [default: until stdin ends]
    #[arg(long, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// A process under test, which is measured with its children; may be given repeatedly
    #[arg(long = "pid")]
    processes: Vec<u32>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The command's environment has `LOADTEST_URL`, `LOADTEST_TOOL` (one of its tools), `LOADTEST_PID` (of what stands before
/// the backend) and, if the target asks for one, a token in `LOADTEST_BEARER`.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// What to start, by its name in `compare`
    pub(crate) target: String,
    /// A directory with the programs to start [default: that of this program]
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// What to run when it answers
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Where to call, and who does.
#[derive(Debug, clap::Args)]
struct Target {
    /// The MCP endpoint; only loopback addresses are accepted
    #[arg(long)]
    url: Uri,
    /// A file with a bearer token [default: the token in the environment variable `LOADTEST_BEARER`, if there is one]
    #[arg(long)]
    bearer_file: Option<PathBuf>,
}

impl Call {
    pub(crate) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let mut endpoint = self.target.endpoint()?;
        for pattern in &self.tools {
            endpoint.tools.extend(expand(pattern)?);
        }
        Ok(endpoint)
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            connections: self.connections,
            sessions: self.sessions,
            pace: self
                .rate
                .map_or(Pace::Closed { think: self.think }, |per_second| Pace::Open { per_second }),
            end: self
                .calls
                .map_or(End::After(self.duration.unwrap_or(DEFAULT_DURATION)), End::Calls),
            warmup: self.warmup,
            method: self.method,
            request_size: self.request_size,
            processes: self.processes.clone(),
        }
    }
}

impl Hold {
    pub(crate) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        self.target.endpoint()
    }

    pub(crate) fn hold(&self) -> load::Hold {
        load::Hold {
            sessions: self.sessions.get(),
            with_streams: !self.without_streams,
            connections: self.connections,
            processes: self.processes.clone(),
        }
    }
}

impl Start {
    pub(crate) fn programs(&self) -> anyhow::Result<Programs> {
        Ok(match &self.programs {
            Some(own) => Programs { gateway: own.join("portcullis"), own: own.clone() },
            None => Programs::beside(&env::current_exe()?),
        })
    }

    /// The command, which finds there how to call the target.
    pub(crate) fn command(&self, running: &Running) -> process::Command {
        let (program, args) = self.command.split_first().expect("a command is required");
        let mut command = process::Command::new(program);
        command.args(args).env("LOADTEST_URL", &running.url);
        command.envs(running.tools.last().map(|tool| ("LOADTEST_TOOL", tool)));
        command.envs(running.pids().first().map(|pid| ("LOADTEST_PID", pid.to_string())));
        match &running.bearer {
            Some(token) => command.env(BEARER, token),
            None => command.env_remove(BEARER),
        };
        command
    }
}

impl Target {
    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let bearer = match &self.bearer_file {
            Some(path) => Some(read(path)?),
            None => env::var(BEARER).ok(),
        };
        let bearer = bearer.map(|token| Bearer::new(&token)).transpose()?;
        Ok(Endpoint { url: self.url.clone(), bearer, tools: Vec::new() })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.parse::<u32>().map_err(|_| "begin with a number".to_owned())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        _ => return Err("end with ms, s or m".to_owned()),
    };
    Ok(unit * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Call {
        let always = ["loadtest", "call", "--url", "http://localhost/mcp", "--tool", "echo"];
        let args = Args::try_parse_from(always.iter().chain(args)).expect("arguments are valid");
        let Command::Call(call) = args.command else { panic!("not a call") };
        call
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "5", "s", "1.5s", "5h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_run_ends_by_time_unless_it_ends_by_calls() {
        assert_eq!(parse(&[]).load().end, End::After(DEFAULT_DURATION));
        assert_eq!(parse(&["--calls", "9"]).load().end, End::Calls(9));
        assert_eq!(parse(&["--duration", "2m"]).load().end, End::After(Duration::from_mins(2)));
    }
}
