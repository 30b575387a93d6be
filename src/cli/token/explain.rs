//! `portcullis token explain`: says what would become of a token.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::{Position, Url};

use crate::app::config::Config;
use crate::app::load::load;
use crate::authn::{self, Against, Explanation, Mode, Origin, Resources, Surroundings, explain};
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
    /// The URL that the client connects to [default: the endpoint that clients are told of]
    #[arg(long, value_name = "URL")]
    resource: Option<String>,
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
        let explanation = runtime.block_on(explained(token, &config, &resource, trust));
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

/// The identifier of the endpoint at the URL that was `given`, else of the one that clients are told
/// of.
///
/// # Errors
/// When the gateway would take no token for that, and only its address can be an audience.
fn resource(config: &Config, given: Option<String>) -> anyhow::Result<String> {
    let aggregator = &config.aggregator;
    let main = aggregator.transport.path().unwrap_or_default();
    let resources = Resources::new(aggregator.public_url.clone()).at(
        main,
        aggregator.host.is_loopback(),
        &config.http.allowed_hosts,
    );
    let resource = given.unwrap_or_else(|| {
        let scheme = if aggregator.tls.0.is_some() { "https" } else { "http" };
        let authority = format!("{}:{}", aggregator.host, aggregator.port);
        resources.identifier(Origin { scheme, authority: &authority }, main)
    });
    let has_none = |issuer: &authn::Issuer| issuer.allowed_audiences.is_empty();
    if config.auth.mode == Mode::Oauth && config.auth.issuers.iter().any(has_none) {
        ensure!(
            is_ours(&resources, &resource)?,
            "{resource} is no URL of this gateway, as far as aggregator.publicUrl and \
             http.allowedHosts tell; give the one that the client connects to as --resource"
        );
    }
    Ok(resource)
}

/// Whether a request to that URL would find tokens to be for it.
fn is_ours(resources: &Resources, resource: &str) -> anyhow::Result<bool> {
    let url = Url::parse(resource).with_context(|| format!("{resource:?} is no URL"))?;
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let path = url.path();
    let path = path.strip_prefix(resources.prefix()).unwrap_or(path);
    Ok(resources.accepts(resource, Origin { scheme: url.scheme(), authority }, path))
}

async fn explained(
    token: &[u8],
    config: &Config,
    resource: &str,
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
    use crate::config::Host;
    use crate::server::{Files, Transport};

    #[test]
    fn the_resource_is_what_clients_of_this_gateway_connect_to() {
        let local = |config: &mut Config| config.aggregator.host = Host::Localhost;
        let open = |config: &mut Config| {
            config.aggregator.host = "0.0.0.0".parse().map(Host::Ip).unwrap();
            config.http.allowed_hosts = vec!["gate.example".to_owned()];
        };
        let public = |config: &mut Config| {
            config.aggregator.public_url = Some("https://gate.example/gw".parse().unwrap());
        };
        let secure = |config: &mut Config| config.aggregator.tls.0 = Some(Files::default());
        let sse = |config: &mut Config| config.aggregator.transport = Transport::Sse;
        let own = |config: &mut Config| {
            open(config);
            config.auth.issuers[0].allowed_audiences = vec!["gate".into()];
        };
        let cases: [(&str, &dyn Fn(&mut Config), Option<&str>, Option<&str>); 12] = [
            ("loopback", &local, None, Some("http://localhost:8090/mcp")),
            ("TLS", &secure, None, Some("https://localhost:8090/mcp")),
            ("another transport", &sse, None, Some("http://localhost:8090/sse")),
            ("a public URL", &public, None, Some("https://gate.example/gw/mcp")),
            (
                "a server",
                &public,
                Some("https://gate.example/gw/servers/a/mcp"),
                Some("https://gate.example/gw/servers/a/mcp"),
            ),
            ("beside the public URL", &public, Some("http://localhost:8090/mcp"), None),
            ("all addresses", &open, None, None),
            (
                "a listed host",
                &open,
                Some("https://gate.example/mcp"),
                Some("https://gate.example/mcp"),
            ),
            ("a host that is not", &open, Some("https://evil.example/mcp"), None),
            ("no URL", &local, Some("mcp"), None),
            ("a rebound name", &local, Some("http://evil.example:8090/mcp"), None),
            ("audiences of their own", &own, None, Some("http://0.0.0.0:8090/mcp")),
        ];
        for (name, set, given, expected) in cases {
            let mut config = Config::default();
            config.auth.mode = Mode::Oauth;
            config.auth.issuers = vec![authn::Issuer::default()];
            set(&mut config);
            let found = resource(&config, given.map(ToOwned::to_owned)).ok();
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_token_is_found_in_what_people_paste() {
        for input in ["a.b.c", " a.b.c\n", "Bearer a.b.c\n", "authorization: bearer  a.b.c\r\n"] {
            assert_eq!(bare(input.as_bytes()), b"a.b.c", "{input:?}");
        }
        assert!(bare(b" \n").is_empty());
    }
}
