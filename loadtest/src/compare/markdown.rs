//! `README.md` of a result: the same figures for people.

use std::fmt::{self, Write};

use super::criteria::Verdict;
use super::quantity::{digits, estimate_text, quantity, thousands};
use super::results::{Comparison, Contender, Figures, Measure, Plots, Results, Unit, float};
use super::stats::Estimate;

const MISSING: &str = "–";

/// A picture: its file, and what a reader who cannot see it is told.
pub(crate) struct Picture {
    pub(crate) file: String,
    pub(crate) title: String,
}

pub(crate) fn render(results: &Results, pictures: &[Picture]) -> String {
    let mut text = String::new();
    write(&mut text, results, pictures).expect("a String takes everything");
    text
}

fn write(text: &mut String, results: &Results, pictures: &[Picture]) -> fmt::Result {
    head(text, results)?;
    if !results.problems.is_empty() {
        writeln!(text, "\n## Problems\n")?;
    }
    for problem in &results.problems {
        writeln!(text, "- {}", problem.replace('\n', " "))?;
    }
    writeln!(text, "\n## Targets\n\n{}", verdict_table(&results.verdicts).trim_end())?;
    for picture in pictures {
        writeln!(text, "\n![{}]({})", picture.title, picture.file)?;
    }
    let is_rate = |comparison: &&Comparison| matches!(comparison.plots, Plots::Rate { .. });
    for comparison in results.comparisons.iter().filter(|comparison| !is_rate(comparison)) {
        table(text, comparison)?;
    }
    rates(text, &results.comparisons.iter().filter(is_rate).collect::<Vec<_>>())?;
    measures(text, &results.measures)
}

fn head(text: &mut String, results: &Results) -> fmt::Result {
    let (machine, build) = (&results.machine, &results.build);
    let day = results.date.split('T').next().unwrap_or_default();
    let dirty = if build.dirty { ", with changes that are not committed" } else { "" };
    writeln!(text, "# Load test of {day}, commit {}{dirty}\n", build.commit)?;
    if build.debug {
        writeln!(
            text,
            "**Made with binaries that are not optimised: the figures say nothing.**\n"
        )?;
    }
    let memory = digits(float(machine.memory_bytes) / f64::from(1 << 30));
    writeln!(
        text,
        "{}, {} cores, {memory} GiB, Linux {}, {}.",
        machine.cpu, machine.cores, machine.kernel, build.rustc
    )?;
    for (name, version) in &results.versions {
        writeln!(text, "{name}: {version}.")?;
    }
    let settings = &results.settings;
    let length = match settings.calls {
        Some(calls) => format!("{} calls", thousands(float(calls))),
        None => format!("{} s", settings.seconds),
    };
    writeln!(
        text,
        "\n{} rounds, {length} a run. Generator, backend and what is measured share the cores. How to read this: \
         [the load test's README](../../README.md#how-to-read-it).",
        settings.rounds
    )
}

/// What has to be true, what is, and whether that is enough.
pub(crate) fn verdict_table(verdicts: &[Verdict]) -> String {
    let row = |verdict: &Verdict| {
        let met = match verdict.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let measured = verdict.measured.as_deref().unwrap_or(MISSING);
        format!("| {} | {} | {measured} | {met} |\n", verdict.what, verdict.bound)
    };
    let rows: String = verdicts.iter().map(row).collect();
    format!("| What | Target | Measured | |\n| --- | --- | --- | --- |\n{rows}")
}

fn table(text: &mut String, comparison: &Comparison) -> fmt::Result {
    writeln!(text, "\n## {}: {}\n", comparison.name, comparison.title)?;
    let against = comparison.contenders.iter().find_map(|one| one.against_base.as_ref());
    let base = against.map_or("the first", |against| against.base.as_str());
    writeln!(
        text,
        "| | calls/s | p50 | p90 | p99 | p99.9 | CPU a call | peak memory | throughput / {base} | CPU / {base} | p50 over {base} | errors |"
    )?;
    writeln!(text, "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |")?;
    for contender in &comparison.contenders {
        writeln!(text, "| {} | {} |", contender.name, cells(contender).join(" | "))?;
    }
    Ok(())
}

/// The open loop: a column for each rate.
fn rates(text: &mut String, comparisons: &[&Comparison]) -> fmt::Result {
    let Some(first) = comparisons.first() else { return Ok(()) };
    writeln!(text, "\n## open: latency by rate, p50 / p99\n")?;
    let titles: Vec<_> = comparisons.iter().map(|comparison| comparison.title.as_str()).collect();
    writeln!(text, "| | {} |", titles.join(" | "))?;
    writeln!(text, "| --- |{}", " --: |".repeat(titles.len()))?;
    for contender in &first.contenders {
        let latencies = |comparison: &&Comparison| {
            let figures = comparison.contender(&contender.name)?.median.as_ref()?;
            let ms =
                |percent| Some(quantity(figures.latency_us(percent)? / 1e3, Unit::Milliseconds));
            Some(format!("{} / {}", ms(50.0)?, ms(99.0)?))
        };
        let cells =
            comparisons.iter().map(|one| latencies(one).unwrap_or_else(|| MISSING.to_owned()));
        writeln!(text, "| {} | {} |", contender.name, cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

fn cells(contender: &Contender) -> Vec<String> {
    let run = contender.median.as_ref();
    let figure = |unit, find: &dyn Fn(&Figures) -> Option<f64>| {
        run.and_then(find).map_or_else(|| MISSING.to_owned(), |value| quantity(value, unit))
    };
    let latency =
        |quantile| figure(Unit::Milliseconds, &|run| Some(run.latency_us(quantile)? / 1e3));
    let against = contender.against_base.as_ref();
    let ratio = |estimate: Option<Estimate>, unit| {
        estimate.map_or_else(|| MISSING.to_owned(), |estimate| estimate_text(estimate, unit))
    };
    vec![
        figure(Unit::Count, &|run| Some(run.calls_per_second)),
        latency(50.0),
        latency(90.0),
        latency(99.0),
        latency(99.9),
        figure(Unit::Microseconds, &|run| run.cpu_us_per_call),
        figure(Unit::Bytes, &|run| run.peak_rss_bytes),
        ratio(against.and_then(|against| against.throughput_ratio), Unit::Ratio),
        ratio(against.and_then(|against| against.cpu_ratio), Unit::Ratio),
        ratio(against.and_then(|against| against.added_p50_us), Unit::Microseconds),
        contender.errors().to_string(),
    ]
}

fn measures(text: &mut String, measures: &[Measure]) -> fmt::Result {
    if measures.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## Sizes, starts and streams\n")?;
    writeln!(text, "| What | Of | Median | Samples |\n| --- | --- | --: | --: |")?;
    for measure in measures {
        let value = estimate_text(measure.value, measure.unit);
        let (title, of, samples) = (&measure.title, &measure.contender, measure.samples.len());
        writeln!(text, "| {title} | {of} | {value} | {samples} |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_result_is_readable() {
        let pictures = [Picture { file: "cpu.svg".to_owned(), title: "CPU per call".to_owned() }];
        insta::assert_snapshot!(render(&sample::results(), &pictures));
    }
}
