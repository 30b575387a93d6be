//! Compares targets with each other: the same calls to each of them in turns.
//!
//! The machine is never as quiet as one would like. Whatever slows it down for a while slows down all targets, so figures
//! are compared within a round, and the median of those ratios is what counts.

mod args;
mod bench;
mod criteria;
mod lists;
mod machine;
mod markdown;
mod memory;
mod open;
mod output;
mod plots;
mod progress;
mod quantity;
mod results;
#[cfg(test)]
mod sample;
mod scenarios;
mod stats;
mod streams;
mod turns;

use anyhow::{Context, ensure};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use args::Args;

use crate::target::{Programs, Target};
use bench::Bench;
use machine::{Build, Machine};
use progress::Progress;
use results::Results;
use scenarios::{CALLS, MEMORY, OPEN, STREAMS};

/// Runs the scenarios, writes the results and says where they are. False is a failure: something could not be measured,
/// calls were not answered, or, with `--strict`, a target of the project is missed.
///
/// # Errors
///
/// When nothing can be measured or written.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    if let Some(directory) = &args.render {
        let results = output::read(directory)?;
        output::write(&results, directory)?;
        return Ok(true);
    }
    args.check_names()?;
    let mut results = begin(&args)?;
    let directory = match &args.out {
        Some(directory) => directory.clone(),
        None => output::directory_for(&results),
    };
    let mut bench = bench(&args)?;
    for scenario in CALLS.iter().filter(|scenario| args.selects(scenario.name)) {
        match bench.compare(scenario).await {
            Ok(comparison) => {
                results.measures.extend(memory::growth(&comparison));
                results.comparisons.push(comparison);
            }
            Err(error) => bench.problem(scenario.name, &error),
        }
        bench.save(&mut results, &directory)?;
    }
    if args.selects(OPEN) {
        match bench.open().await {
            Ok(comparisons) => results.comparisons.extend(comparisons),
            Err(error) => bench.problem(OPEN, &error),
        }
        bench.save(&mut results, &directory)?;
    }
    if args.selects(MEMORY) {
        if let Err(error) = bench.memory(&mut results).await {
            bench.problem(MEMORY, &error);
        }
        bench.save(&mut results, &directory)?;
    }
    if args.selects(STREAMS) {
        if let Err(error) = bench.streams(&mut results).await {
            bench.problem(STREAMS, &error);
        }
        bench.save(&mut results, &directory)?;
    }
    print!("{}", markdown::verdict_table(&results.verdicts));
    println!("\n{}", directory.join(output::README).display());
    for problem in &results.problems {
        eprintln!("problem: {problem}");
    }
    let missed = results.verdicts.iter().any(|verdict| verdict.met == Some(false));
    Ok(results.problems.is_empty() && !(args.strict && missed))
}

fn begin(args: &Args) -> anyhow::Result<Results> {
    Ok(Results {
        date: OffsetDateTime::now_utc().format(&Rfc3339)?,
        machine: Machine::this(),
        build: Build::here(),
        versions: machine::versions(),
        settings: args.settings()?,
        problems: Vec::new(),
        verdicts: Vec::new(),
        comparisons: Vec::new(),
        measures: Vec::new(),
        series: Vec::new(),
    })
}

fn bench(args: &Args) -> anyhow::Result<Bench> {
    let here = std::env::current_exe().context("this program has no path")?;
    let mut programs = Programs::beside(&here);
    if let Some(gateway) = &args.gateway {
        programs.gateway.clone_from(gateway);
    }
    let baseline = args
        .baseline
        .as_ref()
        .map(|gateway| Programs { gateway: gateway.clone(), ..programs.clone() });
    for gateway in [Some(&programs), baseline.as_ref()].into_iter().flatten() {
        let path = &gateway.gateway;
        ensure!(path.is_file(), "{} is missing: loadtest/run builds it", path.display());
    }
    let mut targets =
        args.targets.iter().map(|name| Target::by_name(name)).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        targets.extend(Target::ALL);
    }
    for peer in &args.with {
        targets.push(Target::by_name(peer)?);
    }
    let mut bench = Bench {
        settings: args.settings()?,
        programs,
        baseline,
        targets,
        progress: Progress::new(0),
        problems: Vec::new(),
    };
    let mut turns = 0;
    for scenario in CALLS.iter().filter(|scenario| args.selects(scenario.name)) {
        turns += bench.turns(scenario)?;
    }
    if args.selects(OPEN) {
        turns += bench.turns_of_open()?;
    }
    if args.selects(MEMORY) {
        turns += Bench::turns_of_memory();
    }
    if args.selects(STREAMS) {
        turns += Bench::turns_of_streams();
    }
    bench.progress = Progress::new(turns);
    Ok(bench)
}
