//! When a line was written.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::decimal;

/// `2026-11-21T10:41:59.`
type Second = [u8; 20];

thread_local! {
    /// The second of the last line, since 1970 and as text: most lines share theirs with others.
    static SECOND: Cell<(u64, Second)> = const { Cell::new((0, *b"1970-01-01T00:00:00.")) };
}

/// Appends the time as RFC 3339 has it, in UTC with microseconds.
pub(super) fn timestamp(line: &mut Vec<u8>, now: SystemTime) {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut known, mut text) = SECOND.get();
    if known != since_epoch.as_secs() {
        known = since_epoch.as_secs();
        text = second(known);
        SECOND.set((known, text));
    }
    line.extend_from_slice(&text);
    decimal(line, since_epoch.subsec_micros().into(), 6);
    line.push(b'Z');
}

fn second(since_epoch: u64) -> Second {
    let (days, second) = (since_epoch / 86_400, since_epoch % 86_400);
    let (year, month, day) = date(days);
    let mut text = Vec::with_capacity(20);
    for (number, width, end) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
    ] {
        decimal(&mut text, number, width);
        text.push(end);
    }
    text.try_into().expect("years have four digits for a long time to come")
}

/// The date so many days after 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is their last; 400 of them have 146 097 days.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_second_has_its_own_text_and_every_microsecond_its_six_digits() {
        let (leap, newest) = ("2000-02-29T23:59:59.000000Z", "2026-11-21T10:41:59.000007Z");
        for (micros, expected) in [
            (951_868_799_000_000, leap),
            (1_795_257_719_000_007, newest),
            (1_795_257_719_999_999, "2026-11-21T10:41:59.999999Z"),
            (1_795_257_720_000_000, "2026-11-21T10:42:00.000000Z"),
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_257_719_000_007, newest),
        ] {
            let mut line = Vec::new();
            timestamp(&mut line, UNIX_EPOCH + Duration::from_micros(micros));
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (10_956, (1999, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }
}
