//! `portcullis token explain`: says what would become of a token.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::ensure;
use clap::Args;
use tokio::runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::app::config::Config;
use crate::app::load::load;
use crate::authn::{Against, Explanation, Surroundings, explain};
use crate::cli::ConfigArgs;
use crate::config::Environment;
use crate::outbound::Trust;

/// More is no token.
const MAX_BYTES: u64 = 64 * 1024;

/// Arguments of `portcullis token explain`.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ExplainArgs {
    /// The configuration of the gateway.
    #[command(flatten)]
    config: ConfigArgs,
    /// The URL that the client connects to [default: the gateway's own]
    #[arg(long, value_name = "URL")]
    resource: Option<Url>,
    /// PEM file of CA certificates to trust besides the system's, towards issuers
    #[arg(long, value_name = "FILE")]
    extra_ca_file: Option<PathBuf>,
}

impl ExplainArgs {
    /// Explains; success means that the gateway would accept the token.
    ///
    /// # Errors
    /// When there is no configuration, or no token on standard input.
    pub(super) fn run(self, environment: &Environment) -> anyhow::Result<ExitCode> {
        let config = load(self.config.config.as_deref(), environment)?.config;
        let mut input = Vec::new();
        io::stdin().lock().take(MAX_BYTES).read_to_end(&mut input)?;
        let token = bare(&input);
        ensure!(!token.is_empty(), "there is no token on standard input");
        let resource = resource(&config, self.resource)?;
        let extra_ca_files: Vec<_> = self.extra_ca_file.into_iter().collect();
        let trust = Arc::new(Trust::new(&extra_ca_files)?);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let explanation = runtime.block_on(explained(token, &config, resource.as_deref(), trust));
        writeln!(io::stdout().lock(), "{explanation}")?;
        Ok(if explanation.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The token in what was pasted, perhaps with the words that stand before it in a request.
fn bare(input: &[u8]) -> &[u8] {
    let mut token = input.trim_ascii();
    for prefix in [&b"authorization:"[..], b"bearer "] {
        if token.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            token = token[prefix.len()..].trim_ascii();
        }
    }
    token
}

/// What a token has to be for if the client connects to `url`, or to what it would be told.
fn resource(config: &Config, url: Option<Url>) -> anyhow::Result<Option<String>> {
    let aggregator = &config.aggregator;
    let loopback = aggregator.host.is_loopback().then_some(aggregator.port);
    let resources = config.resources(loopback);
    let url = url.map_or_else(|| address(config, resources.main()), Ok)?;
    Ok(resources.audience_at(&url))
}

/// Where clients find the gateway if there is nothing between.
fn address(config: &Config, main: &str) -> anyhow::Result<Url> {
    let aggregator = &config.aggregator;
    if let Some(public) = &aggregator.public_url {
        return Ok(format!("{}{main}", public.as_str().trim_end_matches('/')).parse()?);
    }
    let scheme = if aggregator.tls.0.is_some() { "https" } else { "http" };
    let listed = config.http.allowed_hosts.first().filter(|_| !aggregator.host.is_loopback());
    let host = listed.cloned().unwrap_or_else(|| aggregator.host.to_string());
    let mut url: Url = format!("{scheme}://{host}{main}").parse()?;
    if url.port().is_none() {
        url.set_port(Some(aggregator.port)).expect("a URL with a host may have a port");
    }
    Ok(url)
}

async fn explained(
    token: &[u8],
    config: &Config,
    resource: Option<&str>,
    trust: Arc<Trust>,
) -> Explanation {
    let around = Surroundings {
        trust,
        runtime: runtime::Handle::current(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let required = &config.scopes.required;
    let against = Against { required, resource, now: SystemTime::now() };
    let explanation = explain(token, &config.auth, against, &around).await;
    around.stop.cancel();
    explanation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_people_paste() {
        for input in ["a.b.c", " a.b.c\n", "Bearer a.b.c\n", "authorization: bearer  a.b.c\r\n"] {
            assert_eq!(bare(input.as_bytes()), b"a.b.c", "{input:?}");
        }
        assert!(bare(b" \n").is_empty());
    }
}
