//! The pictures of a result.

mod axis;
mod bars;
mod lines;
mod style;

use super::quantity::{digits, estimate_text};
use super::results::{Comparison, Contender, Plots, Results, Unit, float};
use axis::{Axis, nines};
use bars::{Bar, Bars};
use lines::{Line, Lines};

/// Points of a distribution that are nearer than this have markers that touch.
const CROWDED: f64 = 0.08;

/// An SVG document.
pub(crate) struct Plot {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// All pictures there is something to draw for.
pub(crate) fn draw(results: &Results) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for comparison in results.comparisons.iter().filter(|one| one.plots == Plots::Calls) {
        if let Some(bars) = cpu(comparison) {
            let file = format!("{}-cpu.svg", comparison.name);
            plots.push(Plot { file, title: bars.title.clone(), svg: bars.draw()? });
        }
        let file = format!("{}-latency.svg", comparison.name);
        plots.extend(plot(file, latency(comparison))?);
    }
    plots.extend(plot("rate-p50.svg".to_owned(), rate(results, (50.0, "Median")))?);
    plots.extend(plot("rate-p99.svg".to_owned(), rate(results, (99.0, "p99")))?);
    plots.extend(plot("payload.svg".to_owned(), payload(results))?);
    plots.extend(plot("memory.svg".to_owned(), memory(results))?);
    Ok(plots)
}

fn plot(file: String, lines: Option<Lines>) -> anyhow::Result<Option<Plot>> {
    let Some(lines) = lines else { return Ok(None) };
    Ok(Some(Plot { file, title: lines.title.clone(), svg: lines.draw()? }))
}

fn cpu(comparison: &Comparison) -> Option<Bars> {
    let bar = |contender: &Contender| {
        let value = contender.median.as_ref()?.cpu_us_per_call?;
        let against = contender.against_base.as_ref();
        let ratio = against.and_then(|against| against.cpu_ratio);
        let ratio = ratio.map(|ratio| format!(" · {}", estimate_text(ratio, Unit::Ratio)));
        let figure = format!("{} us{}", digits(value), ratio.unwrap_or_default());
        Some(Bar { name: contender.name.clone(), value, figure })
    };
    let bars: Vec<Bar> = comparison.contenders.iter().filter_map(bar).collect();
    (!bars.is_empty()).then(|| Bars {
        title: format!("CPU per call: {}", plain_text(comparison)),
        better: format!("Less is better. Beside the median: the ratio to {}.", base(comparison)),
        label: "CPU microseconds a call".to_owned(),
        rows: bars,
    })
}

/// Its title without the marks of Markdown.
fn plain_text(comparison: &Comparison) -> String {
    comparison.title.replace('`', "")
}

fn base(comparison: &Comparison) -> &str {
    let against = comparison.contenders.iter().find_map(|one| one.against_base.as_ref());
    against.map_or("the first", |against| against.base.as_str())
}

fn latency(comparison: &Comparison) -> Option<Lines> {
    let calls = |contender: &Contender| {
        let runs = contender.runs.iter().map(|run| run.calls).filter(|calls| *calls > 0);
        float(runs.min().unwrap_or(1))
    };
    let line = |contender: &Contender| {
        // The slowest call of a run stands for the last share that the run had calls for.
        let last = 1.0 - 1.0 / calls(contender).max(2.0);
        let known = contender.median.as_ref()?.distribution.iter();
        let known = known.map(|point| (point.percent / 100.0, point.latency_us / 1e3));
        let known = known.filter(|(share, _)| *share < last || *share >= 1.0);
        let points = known.map(|(share, ms)| (nines(share.min(last)), ms.log10()));
        let mut points: Vec<_> = points.collect();
        points.dedup_by(|next, kept| next.0 - kept.0 < CROWDED);
        Some(Line { name: contender.name.clone(), points })
    };
    let lines: Vec<Line> = comparison.contenders.iter().filter_map(line).collect();
    let most = comparison.contenders.iter().map(calls).fold(1.0, f64::max);
    Some(Lines {
        title: format!("Latency: {}", plain_text(comparison)),
        better:
            "Lower is better. Medians over the rounds; the last point is the slowest call of a run."
                .to_owned(),
        across: Axis::percentiles("share of calls that were not slower", most),
        up: logarithmic("milliseconds, logarithmic", &lines)?,
        curves: lines,
        markers: true,
    })
}

/// An axis for lines whose heights are logarithms already.
fn logarithmic(label: &str, lines: &[Line]) -> Option<Axis> {
    let heights = || lines.iter().flat_map(|line| &line.points).map(|(_, height)| *height);
    let finite = || heights().filter(|height| height.is_finite());
    let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    Some(Axis::logarithmic(label, 10_f64.powf(low), 10_f64.powf(high)))
}

/// One line for each contender through all comparisons of a kind, in the order of `across`.
fn through(
    results: &Results,
    across: impl Fn(&Comparison) -> Option<f64>,
    up: impl Fn(&Contender) -> Option<f64>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for comparison in &results.comparisons {
        let Some(position) = across(comparison) else { continue };
        for contender in &comparison.contenders {
            let Some(height) = up(contender) else { continue };
            let point = (position, height);
            match lines.iter_mut().find(|line| line.name == contender.name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name: contender.name.clone(), points: vec![point] }),
            }
        }
    }
    for line in &mut lines {
        line.points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    lines
}

fn rate(results: &Results, (percent, name): (f64, &str)) -> Option<Lines> {
    let offered = |comparison: &Comparison| match comparison.plots {
        Plots::Rate { calls_per_second } => Some(calls_per_second),
        _ => None,
    };
    let lines = through(results, offered, |contender| {
        Some((contender.median.as_ref()?.latency_us(percent)? / 1e3).log10())
    });
    let fastest = results.comparisons.iter().filter_map(offered).reduce(f64::max)?;
    Some(Lines {
        title: format!("{name} latency by rate of calls, whether answered or not"),
        better: "Lower is better. Where a line turns upwards its limit is reached.".to_owned(),
        across: Axis::linear("calls offered a second", fastest),
        up: logarithmic("milliseconds, logarithmic", &lines)?,
        curves: lines,
        markers: true,
    })
}

fn payload(results: &Results) -> Option<Lines> {
    let size = |comparison: &Comparison| match comparison.plots {
        Plots::Payload { bytes } => Some(float(bytes).log10()),
        _ => None,
    };
    let lines = through(results, size, |contender| {
        let against = contender.against_base.as_ref()?;
        Some(against.throughput_ratio?.median)
    });
    let sizes = || results.comparisons.iter().filter_map(size);
    let (small, large) = (sizes().reduce(f64::min)?, sizes().reduce(f64::max)?);
    let highest = lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).reduce(f64::max)?;
    Some(Lines {
        title: "Throughput by size of the result, against the plain proxy".to_owned(),
        better: "Higher is better. 1 is what a proxy does that looks at nothing.".to_owned(),
        across: Axis {
            label: "bytes of a result, logarithmic".to_owned(),
            from: small - 0.1,
            to: large + 0.1,
            marks: Axis::logarithmic("", 10_f64.powf(small), 10_f64.powf(large)).marks,
        },
        up: Axis::linear("times the plain proxy", highest),
        curves: lines,
        markers: true,
    })
}

fn memory(results: &Results) -> Option<Lines> {
    let lines: Vec<Line> = results
        .series
        .iter()
        .map(|series| Line {
            name: series.contender.clone(),
            points: series.points.iter().map(|(second, bytes)| (*second, bytes / 1e6)).collect(),
        })
        .collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(second, _)| *second).reduce(f64::max)?;
    let highest = points().map(|(_, megabytes)| *megabytes).reduce(f64::max)?;
    Some(Lines {
        title: "Memory under load".to_owned(),
        better: "Lower is better, and level: what grows does not end.".to_owned(),
        across: Axis::linear("seconds under load", last),
        up: Axis::linear("resident megabytes", highest),
        curves: lines,
        markers: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn pictures_name_every_contender() {
        let plots = draw(&sample::results()).unwrap();
        let files: Vec<_> = plots.iter().map(|plot| plot.file.as_str()).collect();
        let expected = [
            "call-cpu.svg",
            "call-latency.svg",
            "rate-p50.svg",
            "rate-p99.svg",
            "payload.svg",
            "memory.svg",
        ];
        assert_eq!(files, expected);
        for plot in plots {
            let document = roxmltree::Document::parse(&plot.svg).unwrap();
            let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
            let names: &[&str] = match plot.file.as_str() {
                "call-cpu.svg" => &["plain", "every-layer"],
                "payload.svg" => &["direct", "every-layer"],
                "memory.svg" => &["every-layer"],
                _ => &["direct", "plain", "every-layer"],
            };
            for name in names {
                assert!(
                    texts.iter().any(|text| text.trim() == *name),
                    "{} without {name}",
                    plot.file
                );
            }
        }
    }

    #[test]
    fn what_stands_in_a_picture_is_escaped() {
        let mut results = sample::results();
        results.comparisons[0].title = "`a` < b & \"c\"".to_owned();
        for plot in draw(&results).unwrap() {
            assert!(roxmltree::Document::parse(&plot.svg).is_ok(), "{}", plot.svg);
            assert!(!plot.title.contains('`'), "{}", plot.title);
        }
    }
}
