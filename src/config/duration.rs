//! Durations as Go writes them: `1h30m`, `250ms`, `1.5s`.

use std::fmt::Write as _;
use std::time::Duration;

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Go's own limit: 2^63 - 1 nanoseconds, about 292 years.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is nothing, or a number without digits.
    #[error("is not a duration; write for example 30s or 1h30m")]
    Malformed,
    /// `30`: Go wants a unit with everything but `0`.
    #[error("has no unit; use ns, us, ms, s, m or h, for example 30s")]
    NoUnit,
    /// `3d`.
    #[error("has an unknown unit; use ns, us, ms, s, m or h")]
    UnknownUnit,
    /// `-5s`.
    #[error("is negative")]
    Negative,
    /// More than Go can hold.
    #[error("is too long; the limit is about 292 years")]
    TooLong,
}

/// Reads a Go duration. Fractions below a nanosecond are cut off.
///
/// # Errors
/// When the text is not a duration, has no unit, or is negative or too long.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Malformed);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(DurationError::NoUnit);
        }
        let (_, scale) =
            UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError::UnknownUnit)?;
        nanos = nanos
            .checked_add(scaled(whole, fraction, *scale).ok_or(DurationError::TooLong)?)
            .filter(|nanos| *nanos <= MAX_NANOS)
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| DurationError::TooLong)
}

/// Writes a duration as Go reads it, in as few units as it takes: `1h30m`, `250ms`, `0s`.
pub fn write_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, scale) in UNITS.iter().rev().filter(|(unit, _)| unit.is_ascii()) {
        let count = rest / scale;
        rest %= scale;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn scaled(whole: &str, fraction: &str, scale: u128) -> Option<u128> {
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut unit = scale;
    for digit in fraction.bytes() {
        unit /= 10; // zero once below a nanosecond; what is below it is cut off
        nanos = nanos.checked_add(unit * u128::from(digit - b'0'))?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("30s", Duration::from_secs(30)),
            ("1h30m", Duration::from_mins(90)),
            ("250ms", Duration::from_millis(250)),
            ("1.5s", Duration::from_millis(1500)),
            (".5m", Duration::from_secs(30)),
            ("1.m", Duration::from_mins(1)),
            ("2us3ns", Duration::from_nanos(2003)),
            ("+7µs", Duration::from_micros(7)),
        ] {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for (text, expected) in [
            ("", DurationError::Malformed),
            ("s", DurationError::Malformed),
            (".s", DurationError::Malformed),
            ("30", DurationError::NoUnit),
            ("1m30", DurationError::NoUnit),
            ("3d", DurationError::UnknownUnit),
            ("5 s", DurationError::UnknownUnit),
            ("-5s", DurationError::Negative),
            ("9999999999h", DurationError::TooLong),
            ("99999999999999999999999999999999999999999h", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn is_written_in_as_few_units_as_it_takes() {
        for (duration, expected) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(30), "30s"),
            (Duration::from_mins(5), "5m"),
            (Duration::from_mins(90), "1h30m"),
            (Duration::from_millis(1500), "1s500ms"),
            (Duration::from_nanos(2003), "2us3ns"),
        ] {
            assert_eq!(write_duration(duration), expected);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+.0-9a-zµ ]{0,24}|\\PC*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_written_is_read_again(nanos in 0..=i64::MAX.unsigned_abs()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&write_duration(duration)), Ok(duration));
        }
    }
}
