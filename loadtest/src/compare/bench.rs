//! Starts targets and lets them take turns.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, ensure};

use super::criteria::judge;
use super::lists::list;
use super::output;
use super::progress::{Progress, outcome};
use super::results::{Comparison, Contender, Plots, Results, Settings};
use super::scenarios::{EVERY_LAYER, Entrants, PLAIN, STATIC, Scenario};
use super::turns::order;
use crate::load::{self, End, Endpoint, Load, Method};
use crate::report::Report;
use crate::target::{Programs, Running, Scene, StaticHandler, Target};

/// What the second binary of the gateway is called.
pub(super) const BASELINE: &str = "baseline";
/// How much of the length of a run is called beforehand, uncounted.
const WARMUP: f64 = 0.2;

/// Whatever all scenarios need.
pub(super) struct Bench {
    pub(super) settings: Settings,
    pub(super) programs: Programs,
    /// With the second binary.
    pub(super) baseline: Option<Programs>,
    /// Those that take part wherever everyone does.
    pub(super) targets: Vec<Target>,
    pub(super) progress: Progress,
    pub(super) problems: Vec<String>,
}

/// Who is to take turns.
pub(super) struct Entered {
    pub(super) name: String,
    target: Target,
    is_baseline: bool,
    method: Method,
    sessions: usize,
}

/// One that takes turns.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) load: Load,
}

/// All that take turns, and the processes that they are.
pub(super) struct Field {
    pub(super) contestants: Vec<Contestant>,
    running: Vec<(Target, bool, Running)>,
    /// Serves for as long as the others run.
    static_handler: Option<StaticHandler>,
}

impl Bench {
    pub(super) fn problem(&mut self, scenario: &str, error: &anyhow::Error) {
        self.problems.push(format!("{scenario}: {error:#}"));
    }

    /// Writes what is known so far, so that nothing is lost when a later scenario is interrupted.
    pub(super) fn save(&self, results: &mut Results, directory: &Path) -> anyhow::Result<()> {
        results.problems.clone_from(&self.problems);
        results.verdicts = judge(results);
        output::write(results, directory)
    }

    /// How many turns a scenario has in all.
    pub(super) fn turns(&self, scenario: &Scenario) -> anyhow::Result<usize> {
        let handler = usize::from(matches!(scenario.entrants, Entrants::Lists));
        Ok((self.enter(scenario)?.len() + handler) * self.settings.rounds)
    }

    /// Runs a scenario from the start of its targets to their end.
    pub(super) async fn compare(&mut self, scenario: &Scenario) -> anyhow::Result<Comparison> {
        let field = self.start(scenario).await?;
        let runs = self.take_turns(scenario.name, &field.contestants, self.settings.rounds).await;
        let names = field.contestants.iter().map(|contestant| contestant.name.clone());
        let entries = names.zip(runs).filter_map(|(name, runs)| Some((name, runs?))).collect();
        Ok(self.comparison(scenario.name, scenario.title, scenario.plots, entries))
    }

    /// Starts all targets of a scenario. One that does not start is a problem and left out.
    pub(super) async fn start(&mut self, scenario: &Scenario) -> anyhow::Result<Field> {
        let scene = scenario.scene();
        let (contestants, running) = (Vec::new(), Vec::new());
        let mut field = Field { contestants, running, static_handler: None };
        for entered in self.enter(scenario)? {
            self.progress.begins(&format!("{}: starting {}", scenario.name, entered.name));
            if let Err(error) = self.join(&mut field, scenario, &scene, &entered).await {
                self.problems.push(format!("{}: {}: {error:#}", scenario.name, entered.name));
            }
        }
        ensure!(!field.contestants.is_empty(), "no target could be started");
        if matches!(scenario.entrants, Entrants::Lists) {
            self.add_static_handler(&mut field).await?;
        }
        Ok(field)
    }

    /// It comes first, as the base.
    async fn add_static_handler(&self, field: &mut Field) -> anyhow::Result<()> {
        let gateway = field.contestants.first().context("the gateway was started")?;
        let list = list(&gateway.endpoint).await?;
        let handler = StaticHandler::start(&self.programs, &list).await?;
        let load = Load { processes: handler.pids(), ..gateway.load.clone() };
        let endpoint = Endpoint { url: handler.url.parse()?, bearer: None, tools: Vec::new() };
        field.contestants.insert(0, Contestant { name: STATIC.to_owned(), endpoint, load });
        field.static_handler = Some(handler);
        Ok(())
    }

    async fn join(
        &self,
        field: &mut Field,
        scenario: &Scenario,
        scene: &Scene,
        entered: &Entered,
    ) -> anyhow::Result<()> {
        let is_it = |target: Target, is_baseline: bool| {
            target == entered.target && is_baseline == entered.is_baseline
        };
        if !field.running.iter().any(|(target, is_baseline, _)| is_it(*target, *is_baseline)) {
            let programs = match &self.baseline {
                Some(baseline) if entered.is_baseline => baseline,
                _ => &self.programs,
            };
            let running = entered.target.start(programs, scene).await?;
            field.running.push((entered.target, entered.is_baseline, running));
        }
        let mut running = field.running.iter();
        let running = running.find(|(target, is_baseline, _)| is_it(*target, *is_baseline));
        let (_, _, running) = running.context("it was started")?;
        let connections = NonZeroUsize::new(scenario.connections).context("no connections")?;
        field.contestants.push(Contestant {
            name: entered.name.clone(),
            endpoint: running.endpoint()?,
            load: Load {
                connections,
                sessions: entered.sessions,
                method: entered.method,
                request_size: scenario.request_bytes,
                processes: running.pids(),
                ..self.load()
            },
        });
        Ok(())
    }

    /// The load that the settings ask for.
    pub(super) fn load(&self) -> Load {
        let length = self.settings.length();
        match self.settings.calls {
            Some(calls) => Load { end: End::Calls(calls), ..Load::default() },
            None => {
                Load { end: End::After(length), warmup: length.mul_f64(WARMUP), ..Load::default() }
            }
        }
    }

    /// One list of runs for each contestant, one run a round.
    pub(super) async fn take_turns(
        &mut self,
        scenario: &str,
        contestants: &[Contestant],
        rounds: usize,
    ) -> Vec<Option<Vec<Report>>> {
        let mut is_out = vec![false; contestants.len()];
        let mut runs = vec![Vec::with_capacity(rounds); contestants.len()];
        for round in 0..rounds {
            for turn in order(round, contestants.len()) {
                if is_out[turn] {
                    continue;
                }
                let contestant = &contestants[turn];
                let (name, number) = (&contestant.name, round + 1);
                let what = format!("{scenario}: {name}, round {number} of {rounds}");
                self.progress.begins(&what);
                match load::run(&contestant.endpoint, &contestant.load).await {
                    Ok(report) => {
                        self.progress.ended(&what, &outcome(&report));
                        runs[turn].push(report);
                    }
                    Err(error) => {
                        self.progress.ended(&what, "failed");
                        self.problems.push(format!("{what}: {error:#}"));
                        is_out[turn] = true;
                    }
                }
            }
        }
        // Rounds are compared one by one, so one with some of them does not count.
        let whole = runs.into_iter().zip(is_out).map(|(runs, is_out)| (!is_out).then_some(runs));
        whole.collect()
    }

    /// Compares runs that were made in turns, and notes calls that failed.
    pub(super) fn comparison(
        &mut self,
        name: &str,
        title: &str,
        plots: Plots,
        runs: Vec<(String, Vec<Report>)>,
    ) -> Comparison {
        for (contender, runs) in &runs {
            let failed: u64 = runs.iter().map(|run| run.errors).sum();
            let message = runs.iter().flat_map(|run| run.error_messages.keys()).next();
            if let Some(message) = message {
                self.problems
                    .push(format!("{name}: {contender}: {failed} calls failed: {message}"));
            }
        }
        let base = runs.iter().position(|(name, _)| name == PLAIN).unwrap_or(0);
        let base = runs.get(base).cloned();
        let contender = |(name, runs): (String, Vec<Report>)| {
            let base = base.as_ref().filter(|(base, _)| *base != name);
            Contender::new(&name, runs, base.map(|(base, runs)| (base.as_str(), runs.as_slice())))
        };
        let contenders = runs.into_iter().map(contender).collect();
        Comparison { name: name.to_owned(), title: title.to_owned(), plots, contenders }
    }

    /// Who takes part; a second binary wherever the gateway with every layer does under that name.
    fn enter(&self, scenario: &Scenario) -> anyhow::Result<Vec<Entered>> {
        let mut entered: Vec<Entered> = match scenario.entrants {
            Entrants::Everyone => {
                let everyone = self.targets.iter();
                everyone.map(|target| Entered::new(target.name(), *target)).collect()
            }
            Entrants::These(these) => these
                .iter()
                .map(|entrant| {
                    let (method, sessions) = (entrant.method, entrant.sessions);
                    let target = Target::by_name(entrant.target)?;
                    Ok(Entered { method, sessions, ..Entered::new(entrant.name, target) })
                })
                .collect::<anyhow::Result<_>>()?,
            Entrants::Lists => {
                let gateway = Entered::new(EVERY_LAYER, Target::EveryLayer);
                vec![Entered { method: Method::List, ..gateway }]
            }
        };
        let gateway = entered.iter().find(|entered| entered.name == EVERY_LAYER);
        if let (Some(gateway), true) = (gateway, self.baseline.is_some()) {
            let method = gateway.method;
            let baseline = Entered::new(BASELINE, Target::EveryLayer);
            entered.push(Entered { method, is_baseline: true, ..baseline });
        }
        Ok(entered)
    }
}

impl Entered {
    fn new(name: &str, target: Target) -> Self {
        Self {
            name: name.to_owned(),
            target,
            is_baseline: false,
            method: Method::Call,
            sessions: 0,
        }
    }
}

impl Scenario {
    pub(super) fn scene(&self) -> Scene {
        Scene {
            backends: self.backends,
            tools: self.tools,
            size: self.result_bytes,
            events: self.events,
            ..Scene::default()
        }
    }
}
