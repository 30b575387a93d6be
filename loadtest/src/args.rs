//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use http::Uri;

/// How long a run takes unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(5);

/// Calls one tool through an MCP endpoint as fast as it answers, and checks every answer.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The MCP endpoint; only loopback addresses are accepted
    #[arg(long)]
    pub(crate) url: Uri,
    /// A tool that takes `message` and gives it back as text
    #[arg(long)]
    pub(crate) tool: String,
    /// How many connections call at the same time, each with a session of its own
    #[arg(long, default_value = "32")]
    pub(crate) connections: NonZeroUsize,
    /// How long to call: 500ms, 5s, 2m [default: 5s, or as long as --calls take]
    #[arg(long, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// How many calls to make in all
    #[arg(long)]
    pub(crate) calls: Option<u64>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// How long the run may take; `None` while there are calls left.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.duration.or_else(|| self.calls.is_none().then_some(DEFAULT_DURATION))
    }

    /// Where to connect to.
    pub(crate) async fn address(&self) -> anyhow::Result<SocketAddr> {
        ensure!(self.url.scheme_str() == Some("http"), "--url must begin with http://");
        let host = self.url.host().context("--url names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(80);
        let mut found = tokio::net::lookup_host((host, port))
            .await
            .with_context(|| format!("cannot resolve {host}"))?;
        let Some(address) = found.next() else { bail!("{host} has no address") };
        ensure!(
            address.ip().is_loopback(),
            "{host} is {}: only loopback addresses may be put under load",
            address.ip()
        );
        Ok(address)
    }
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

    fn parse(args: &[&str]) -> Args {
        let always = ["loadtest", "--tool", "echo"];
        Args::try_parse_from(always.iter().chain(args)).expect("arguments are valid")
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
        let url = ["--url", "http://localhost/mcp"];
        assert_eq!(parse(&url).time_limit(), Some(DEFAULT_DURATION));
        assert_eq!(parse(&[&url[..], &["--calls", "9"]].concat()).time_limit(), None);
    }

    #[tokio::test]
    async fn only_loopback_addresses_are_accepted() {
        for (url, accepted) in [
            ("http://127.0.0.1:8090/mcp", true),
            ("http://[::1]:8090/mcp", true),
            ("http://192.0.2.1:8090/mcp", false),
            ("https://127.0.0.1:8090/mcp", false),
            ("/mcp", false),
        ] {
            assert_eq!(parse(&["--url", url]).address().await.is_ok(), accepted, "{url}");
        }
    }
}
