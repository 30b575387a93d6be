//! The open loop: calls are due at a rate, whether the last one has been answered or not.

use std::num::NonZeroU32;

use anyhow::Context;

use super::bench::{Bench, Contestant};
use super::results::{Comparison, Plots, float};
use super::scenarios::{OPEN, PLAIN, RATES, base_of_open};
use super::stats::median;
use crate::load::Pace;

/// The curve shows where latency turns upwards; its points need no interval.
const ROUNDS_SHARE: usize = 3;

impl Bench {
    /// How many turns the open loop has in all.
    pub(super) fn turns_of_open(&self) -> anyhow::Result<usize> {
        let scenario = base_of_open();
        let everyone = self.turns(&scenario)? / self.settings.rounds;
        Ok(everyone * (RATES.len() * self.rounds_of_open() + 1))
    }

    fn rounds_of_open(&self) -> usize {
        self.settings.rounds.div_ceil(ROUNDS_SHARE)
    }

    /// One comparison for each rate.
    pub(super) async fn open(&mut self) -> anyhow::Result<Vec<Comparison>> {
        let field = self.start(&base_of_open()).await?;
        // What the plain proxy can do now, not what it could when another scenario ran.
        let closed = self.take_turns(OPEN, &field.contestants, 1).await;
        let plain = field.contestants.iter().position(|one| one.name == PLAIN).unwrap_or(0);
        let closed = closed.into_iter().nth(plain).flatten().unwrap_or_default();
        let most = median(closed.iter().map(|run| run.calls_per_second));
        let most = most.context("the plain proxy answers nothing")?;
        let rates: Vec<NonZeroU32> = RATES.iter().filter_map(|share| rate(share * most)).collect();
        let paced = rates.iter().flat_map(|per_second| {
            field.contestants.iter().map(move |contestant| {
                let pace = Pace::Open { per_second: *per_second };
                Contestant {
                    name: format!("{} at {per_second} calls/s", contestant.name),
                    endpoint: contestant.endpoint.clone(),
                    load: crate::load::Load { pace, ..contestant.load.clone() },
                }
            })
        });
        let paced: Vec<Contestant> = paced.collect();
        let mut runs = self.take_turns(OPEN, &paced, self.rounds_of_open()).await.into_iter();
        let mut comparisons = Vec::new();
        for (per_second, share) in rates.into_iter().zip(RATES) {
            let names = field.contestants.iter().map(|contestant| contestant.name.clone());
            let runs = names.zip(runs.by_ref());
            let runs = runs.filter_map(|(name, runs)| Some((name, runs?))).collect();
            let percent = (share * 100.0).round();
            let name = format!("{OPEN}-{percent}");
            let title = format!("{per_second}/s, {percent} % of what {PLAIN} answers");
            let plots = Plots::Rate { calls_per_second: float(u64::from(per_second.get())) };
            comparisons.push(self.comparison(&name, &title, plots, runs));
        }
        Ok(comparisons)
    }
}

fn rate(per_second: f64) -> Option<NonZeroU32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of calls")]
    NonZeroU32::new(per_second.round() as u32)
}
