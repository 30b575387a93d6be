//! How figures are written for people: three digits are enough, and the unit is always there.

use super::results::Unit;
use super::stats::Estimate;

const MB: f64 = 1e6;
const KIB: f64 = 1024.0;

/// A figure with its unit.
pub(crate) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes if value.abs() >= MB => format!("{} MB", digits(value / MB)),
        Unit::Bytes if value.abs() >= KIB => format!("{} KiB", digits(value / KIB)),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Count => thousands(value),
        Unit::Microseconds => format!("{} us", digits(value)),
        Unit::Milliseconds => format!("{} ms", digits(value)),
        Unit::Ratio => format!("{value:.2} ×"),
    }
}

/// The median, and in brackets the interval.
pub(crate) fn estimate_text(estimate: Estimate, unit: Unit) -> String {
    let median = quantity(estimate.median, unit);
    match estimate.interval {
        Some((low, high)) if low < high => {
            format!("{median} [{}, {}]", number(low, unit), number(high, unit))
        }
        _ => median,
    }
}

/// Without the unit, where it stands beside.
fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes | Unit::Count => quantity(value, unit),
        Unit::Microseconds | Unit::Milliseconds => digits(value),
        Unit::Ratio => format!("{value:.2}"),
    }
}

/// At most three significant digits, and no exponent.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => thousands(value),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Rounded to one, the thousands apart.
pub(crate) fn thousands(value: f64) -> String {
    let plain = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (position, digit) in plain.chars().enumerate() {
        if position > 0 && (plain.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits_and_a_unit() {
        for (value, unit, text) in [
            (1.104, Unit::Ratio, "1.10 ×"),
            (20.0, Unit::Microseconds, "20.0 us"),
            (-3.456, Unit::Microseconds, "-3.46 us"),
            (123.4, Unit::Milliseconds, "123 ms"),
            (12_288.0, Unit::Bytes, "12.0 KiB"),
            (24e6, Unit::Bytes, "24.0 MB"),
            (64.0, Unit::Bytes, "64 B"),
            (15_000.0, Unit::Count, "15,000"),
            (1_234_567.0, Unit::Count, "1,234,567"),
            (-0.2, Unit::Count, "0"),
        ] {
            assert_eq!(quantity(value, unit), text);
        }
    }

    #[test]
    fn an_interval_stands_behind_its_median() {
        let estimate = Estimate { median: 1.04, interval: Some((1.01, 1.07)) };
        assert_eq!(estimate_text(estimate, Unit::Ratio), "1.04 × [1.01, 1.07]");
        let alone = Estimate { median: 41.0, interval: None };
        assert_eq!(estimate_text(alone, Unit::Milliseconds), "41.0 ms");
    }
}
