//! What is compared, and how thoroughly.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};

use super::results::Settings;
use super::scenarios;

const ROUNDS: usize = 9;
const SECONDS: f64 = 3.0;
const QUICK_ROUNDS: usize = 2;
const QUICK_CALLS: u64 = 64;

/// Calls targets in turns and says what each of them costs.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Run this scenario; may be given repeatedly [default: all]
    #[arg(long = "only", value_name = "SCENARIO")]
    only: Vec<String>,
    /// Compare this target; may be given repeatedly [default: direct, plain, floor, nginx, only-router, every-layer]
    #[arg(long = "target", value_name = "NAME")]
    pub(super) targets: Vec<String>,
    /// Compare this peer as well; may be given repeatedly
    #[arg(long = "with", value_name = "PEER")]
    pub(super) with: Vec<String>,
    /// How often each target has its turn; six rounds are the fewest that have an interval [default: 9]
    #[arg(long)]
    rounds: Option<usize>,
    /// How long a turn takes [default: 3]
    #[arg(long)]
    seconds: Option<f64>,
    /// Few rounds of few calls, to see that everything works; the figures say nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "long"])]
    quick: bool,
    /// Put memory under load for 10 minutes
    #[arg(long)]
    pub(super) long: bool,
    /// The gateway's binary [default: portcullis beside this program]
    #[arg(long, value_name = "PATH")]
    pub(super) gateway: Option<PathBuf>,
    /// Another binary of the gateway, compared as the target `baseline`
    #[arg(long, value_name = "PATH")]
    pub(super) baseline: Option<PathBuf>,
    /// Where to write results [default: loadtest/results/DATE-COMMIT]
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) out: Option<PathBuf>,
    /// Fail when a target of the project is missed
    #[arg(long)]
    pub(super) strict: bool,
    /// Measure nothing: write tables and pictures of DIRECTORY/results.json again
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) render: Option<PathBuf>,
}

impl Args {
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let settings = Settings {
            rounds: self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS }),
            seconds: self.seconds.unwrap_or(SECONDS),
            calls: self.quick.then_some(QUICK_CALLS),
            long: self.long,
        };
        ensure!(settings.rounds > 0, "--rounds must be at least 1");
        let seconds = Duration::try_from_secs_f64(settings.seconds);
        ensure!(seconds.is_ok_and(|seconds| !seconds.is_zero()), "--seconds must be above 0");
        Ok(settings)
    }

    /// Whether a scenario is to run.
    pub(super) fn selects(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario)
    }

    /// # Errors
    /// When `--only` names something that there is not.
    pub(super) fn check_names(&self) -> anyhow::Result<()> {
        for only in &self.only {
            if !scenarios::names().any(|name| name == only) {
                let names: Vec<_> = scenarios::names().collect();
                bail!("{only:?} is no scenario; there are {}", names.join(", "));
            }
        }
        Ok(())
    }
}

impl Settings {
    /// How long a run takes that is not ended by calls.
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
