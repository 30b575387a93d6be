//! Where the marks of an axis stand.

use super::super::quantity::thousands;

/// About how many marks a linear axis has.
const MARKS: f64 = 6.0;

/// An axis: positions that a picture draws at, and which of them have a mark.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) marks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to a round number above `max`.
    pub(super) fn linear(label: &str, max: f64) -> Self {
        let step = round_step(max.max(f64::MIN_POSITIVE) / MARKS);
        let last = (max / step).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few marks")]
        let count = last as u32;
        let mark = |number: u32| f64::from(number) * step;
        Self {
            label: label.to_owned(),
            from: 0.0,
            to: mark(count),
            marks: (0..=count).map(|number| (mark(number), plain(mark(number)))).collect(),
        }
    }

    /// Of the decimal logarithms of `min` to `max`, with marks at 1, 2 and 5; at 1 alone when those would be many,
    /// and at more when they would be few.
    pub(super) fn logarithmic(label: &str, min: f64, max: f64) -> Self {
        let (from, to) = (min.log10() - 0.05, max.log10() + 0.05);
        let steps: &[f64] = match to - from {
            wide if wide > 3.0 => &[1.0],
            narrow if narrow < 0.9 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            _ => &[1.0, 2.0, 5.0],
        };
        #[expect(clippy::cast_possible_truncation, reason = "an exponent is small")]
        let decades = from.floor() as i32..=to.ceil() as i32;
        let values =
            decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        let marks = values.filter(|value| (from..=to).contains(&value.log10()));
        let marks = marks.map(|value| (value.log10(), plain(value))).collect();
        Self { label: label.to_owned(), from, to, marks }
    }

    /// Of shares of calls: each nine is as wide as the one before. `calls` is how many the largest share stands for.
    pub(super) fn percentiles(label: &str, calls: f64) -> Self {
        let to = nines(1.0 - 1.0 / calls.max(2.0));
        let shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
        let marks = shares.into_iter().map(|share| (nines(share), percent(share)));
        Self {
            label: label.to_owned(),
            from: 0.0,
            to,
            marks: marks.filter(|(position, _)| *position <= to + 1e-9).collect(),
        }
    }
}

/// Where a share of calls stands on an axis of percentiles: 0.9 at one, 0.99 at two.
pub(super) fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// 1, 2 or 5 times a power of ten, at least `size`.
fn round_step(size: f64) -> f64 {
    let decade = 10_f64.powf(size.log10().floor());
    let steps = [1.0, 2.0, 5.0].into_iter().map(|step| step * decade);
    steps.into_iter().find(|step| *step >= size * 0.999).unwrap_or(decade * 10.0)
}

/// As many decimal places as there are, and no more.
fn plain(value: f64) -> String {
    if value >= 1.0 && (value - value.round()).abs() < 1e-9 {
        return thousands(value);
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_axes_begin_at_zero_and_end_above_the_largest_value() {
        assert_eq!(labels(&Axis::linear("", 57.0)), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(labels(&Axis::linear("", 1.1)), ["0", "0.2", "0.4", "0.6", "0.8", "1", "1.2"]);
        assert_eq!(
            labels(&Axis::linear("", 0.3)),
            ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]
        );
    }

    #[test]
    fn logarithmic_axes_have_marks_that_do_not_crowd() {
        assert_eq!(labels(&Axis::logarithmic("", 0.3, 8.0)), ["0.5", "1", "2", "5"]);
        assert_eq!(labels(&Axis::logarithmic("", 1.1, 2.9)), ["1", "1.5", "2", "3"]);
        assert_eq!(labels(&Axis::logarithmic("", 20.0, 54_000.0)), ["100", "1,000", "10,000"]);
    }

    #[test]
    fn percentiles_end_where_a_run_had_too_few_calls_for_more() {
        let axis = Axis::percentiles("", 10_000.0);
        assert_eq!(labels(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!((axis.to - 4.0).abs() < 1e-6);
    }
}
