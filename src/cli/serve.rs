//! `portcullis serve`: runs the gateway.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::runtime;
use tracing::level_filters::LevelFilter;

use crate::app;
use crate::app::load::{Loaded, Refused, load};
use crate::backends::stdio::guardian;
use crate::cli::ConfigArgs;
use crate::config::{Environment, Location, Problem, read_file};
use crate::observe::logging;
use crate::server::{OAUTH_SERVER_ADVICE, Transport};

/// Threads for what runs beside requests: supervisors, pipes, files.
const BACKGROUND_THREADS: usize = 2;

/// Arguments of `portcullis serve`. A switch turns something on that the configuration leaves off;
/// none turns anything off.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct ServeArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Log more: logging.level debug
    #[arg(long)]
    pub debug: bool,
    /// Write nothing to the terminal
    #[arg(long)]
    pub silent: bool,
    /// Serve one client on standard input and output: aggregator.transport stdio
    #[arg(long)]
    pub stdio: bool,
    /// Let destructive tools through: denylist.enabled false
    #[arg(long)]
    pub yolo: bool,
    /// Not supported yet
    #[arg(long, hide = true)]
    pub oauth_mcp_client: bool,
    /// Not supported yet
    #[arg(long, hide = true, value_name = "URL")]
    pub oauth_mcp_client_public_url: Option<String>,
    /// Not supported yet
    #[arg(long, hide = true, value_name = "ID")]
    pub oauth_mcp_client_id: Option<String>,
    /// Not supported yet
    #[arg(long, hide = true)]
    pub oauth_server: bool,
    /// Not supported yet
    #[arg(long, hide = true, value_name = "URL")]
    pub oauth_server_base_url: Option<String>,
    /// PEM file of CA certificates to trust besides the system's, towards every server
    #[arg(long, value_name = "FILE")]
    pub extra_ca_file: Option<PathBuf>,
    /// Does nothing; muster has it
    #[arg(long, hide = true)]
    pub enable_events: bool,
}

impl ServeArgs {
    /// Runs the gateway until it is told to stop.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn run(self, environment: &Environment) -> anyhow::Result<ExitCode> {
        let loaded = match self.load(environment) {
            Ok(loaded) => loaded,
            Err(refused) => {
                eprintln!("{refused}");
                return Ok(ExitCode::FAILURE);
            }
        };
        let logging = loaded.config.logging;
        logging::init(logging.level, logging.format);
        tell(&loaded);
        guard_children();
        let (is_silent, transport) = (self.silent, loaded.config.aggregator.transport);
        let say = move |text: &str| {
            // Whoever closed our output does not want to read this.
            let _ = match transport {
                _ if is_silent => Ok(()),
                // Standard output carries messages and nothing else.
                Transport::Stdio => io::stderr().write_all(text.as_bytes()),
                Transport::StreamableHttp | Transport::Sse => {
                    io::stdout().write_all(text.as_bytes())
                }
            };
        };
        let extra_ca_files: Vec<_> = self.extra_ca_file.into_iter().collect();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(BACKGROUND_THREADS)
            .thread_name("background")
            .enable_all()
            .build()?;
        runtime.block_on(app::serve(loaded, &extra_ca_files, say))?;
        // What a blocking read still holds must not hold the process.
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }

    /// Loads the configuration and adds what the command line says.
    ///
    /// # Errors
    /// When the gateway must not start, for all reasons at once.
    pub fn load(&self, environment: &Environment) -> Result<Loaded, Refused> {
        let environment = if self.stdio {
            environment.clone().with("PORTCULLIS_AGGREGATOR_TRANSPORT", "stdio")
        } else {
            environment.clone()
        };
        let loaded = load(self.config.config.as_deref(), &environment);
        let refused = self.refused();
        match loaded {
            Ok(mut loaded) if refused.is_empty() => {
                self.apply(&mut loaded);
                Ok(loaded)
            }
            Ok(Loaded { quarantined, warnings, .. }) => {
                Err(Refused { problems: refused, quarantined, warnings })
            }
            Err(mut error) => {
                error.problems.extend(refused);
                Err(error)
            }
        }
    }

    fn apply(&self, loaded: &mut Loaded) {
        let logging = &mut loaded.config.logging;
        if self.debug {
            logging.level = logging.level.max(LevelFilter::DEBUG);
        }
        if self.silent {
            logging.level = LevelFilter::OFF;
        }
        if self.yolo {
            loaded.config.denylist.is_enabled = false;
            let message = "takes the denylist away: tools that delete and change what they are \
                           pointed at can be called by everybody; denylist.block and \
                           core_tool_block still hold";
            loaded.warnings.push(problem("--yolo", message));
        }
    }

    fn refused(&self) -> Vec<Problem> {
        let flags = [
            ("--oauth-mcp-client", self.oauth_mcp_client, ""),
            ("--oauth-mcp-client-public-url", self.oauth_mcp_client_public_url.is_some(), ""),
            ("--oauth-mcp-client-id", self.oauth_mcp_client_id.is_some(), ""),
            ("--oauth-server", self.oauth_server, OAUTH_SERVER_ADVICE),
            ("--oauth-server-base-url", self.oauth_server_base_url.is_some(), OAUTH_SERVER_ADVICE),
        ];
        let given = flags.into_iter().filter(|(_, given, _)| *given);
        let mut problems: Vec<_> = given
            .map(|(flag, _, advice)| problem(flag, &format!("is not supported yet{advice}")))
            .collect();
        if let Some(Err(unreadable)) = self.extra_ca_file.as_deref().map(read_file) {
            problems.push(problem("--extra-ca-file", &unreadable.to_string()));
        }
        problems
    }
}

/// Sees to it that no child outlives us, even if we are killed.
fn guard_children() {
    let started =
        std::env::current_exe().and_then(|program| guardian::start(&program, &["guardian"]));
    if let Err(error) = started {
        tracing::warn!(%error, "children that ignore the end of their input may outlive the gateway");
    }
}

/// Writes what is wrong with a configuration that works all the same.
fn tell(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for problem in loaded.quarantined.iter().flat_map(|object| &object.problems) {
        tracing::error!("{problem}; the gateway goes on without this object");
    }
}

fn problem(flag: &str, message: &str) -> Problem {
    Problem::new(Location::command_line(), flag, message)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn serve(flags: &[&str]) -> Result<Loaded, Refused> {
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().to_str().expect("UTF-8");
        let args = ["serve", "--config-path", config].into_iter().chain(flags.iter().copied());
        Serve::try_parse_from(args).expect("arguments").args.load(&Environment::default())
    }

    #[test]
    fn switches_change_the_log_level() {
        for (flags, level) in [
            (&[][..], LevelFilter::INFO),
            (&["--debug"], LevelFilter::DEBUG),
            (&["--silent"], LevelFilter::OFF),
            (&["--debug", "--silent"], LevelFilter::OFF),
            (&["--enable-events"], LevelFilter::INFO),
        ] {
            assert_eq!(serve(flags).expect("a configuration").config.logging.level, level);
        }
    }

    #[test]
    fn stdio_is_a_transport_that_needs_no_port_of_its_own() {
        assert_eq!(serve(&[]).unwrap().config.aggregator.transport, Transport::StreamableHttp);
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(
            directory.path().join("config.yaml"),
            "aggregator: {host: 0.0.0.0, transport: sse}\n",
        )
        .unwrap();
        let config = ["serve", "--config-path", directory.path().to_str().expect("UTF-8")];
        let args = Serve::try_parse_from(config.iter().chain(&["--stdio"])).unwrap().args;
        let loaded = args.load(&Environment::default()).expect("nobody else can call");
        assert_eq!(loaded.config.aggregator.transport, Transport::Stdio);
        let args = Serve::try_parse_from(config).unwrap().args;
        args.load(&Environment::default()).expect_err("everybody could call");
    }

    #[test]
    fn yolo_takes_the_denylist_away_with_a_warning_and_oauth_refuses_to_start() {
        let loaded = serve(&["--yolo"]).expect("a configuration");
        let warning = loaded.warnings[0].to_string();
        let said = "command line: --yolo: takes the denylist away: ";
        assert!(!loaded.config.denylist.is_enabled && warning.starts_with(said), "{warning}");
        assert!(serve(&[]).expect("a configuration").config.denylist.is_enabled);
        let refused = serve(&["--oauth-server", "--oauth-mcp-client-id=x"]).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "command line: --oauth-mcp-client-id: is not supported yet\n\
             command line: --oauth-server: is not supported yet; auth.mode: oauth with \
             auth.issuers checks tokens of other authorization servers, as its trustedIssuers do"
        );
        let refused = serve(&["--extra-ca-file", "missing.pem"]).expect_err("refused");
        assert!(refused.to_string().contains("missing.pem: cannot be read"), "{refused}");
    }
}
