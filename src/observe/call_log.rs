//! One line per call. It is on the way of every call, so it is written by hand into a buffer of the
//! thread: through `tracing` it would cost several times as much.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::logging::Format;
use crate::call::{Outcome, SessionId};

/// What the line about a call says.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The method.
    pub method: &'a str,
    /// The exposed name of the tool or prompt; empty for what has none.
    pub tool: &'a str,
    /// The backend; empty if it came to none.
    pub backend: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// The client's session.
    pub session: Option<SessionId>,
    /// The HTTP request's id.
    pub request_id: Option<&'a str>,
    /// Why it failed.
    pub error: Option<&'a dyn Display>,
}

/// Writes lines about calls to standard error, like the rest of the log.
#[derive(Clone, Copy, Debug)]
pub struct CallLog {
    format: Format,
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl CallLog {
    /// Lines of this form.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Writes the line about a call that has just ended.
    pub fn write(&self, record: &Record<'_>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            match self.format {
                Format::Json => json(line, record, SystemTime::now()),
                Format::Text => text(line, record, SystemTime::now()),
            }
            // One write per line, so that lines of threads do not mix. A log that nobody reads any
            // more is no reason to fail calls.
            let _ = io::stderr().lock().write_all(line);
        });
    }
}

fn json(line: &mut Vec<u8>, record: &Record<'_>, now: SystemTime) {
    line.extend_from_slice(br#"{"timestamp":""#);
    timestamp(line, now);
    line.extend_from_slice(br#"","level":"INFO","message":"tool call","subsystem":"MCP-Tool""#);
    let mut field = |name: &str, value: &dyn Display| {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *line, &Shown(value)).expect("a vector takes everything");
    };
    each(record, &mut field);
    infallible(writeln!(line, r#","duration_s":{:.6}}}"#, record.duration.as_secs_f64()));
}

fn text(line: &mut Vec<u8>, record: &Record<'_>, now: SystemTime) {
    timestamp(line, now);
    line.extend_from_slice(b"  INFO tool call");
    let mut field = |name: &str, value: &dyn Display| {
        let value = value.to_string();
        // Quoted and escaped where it could be taken for more than one value, or for a line.
        if value.chars().all(|c| c.is_alphanumeric() || "-_./:~".contains(c)) {
            infallible(write!(line, " {name}={value}"));
        } else {
            infallible(write!(line, " {name}={value:?}"));
        }
    };
    each(record, &mut field);
    infallible(writeln!(line, " duration_s={:.6}", record.duration.as_secs_f64()));
}

/// The fields that there are, in the order of the line.
fn each(record: &Record<'_>, field: &mut dyn FnMut(&str, &dyn Display)) {
    for (name, value) in
        [("method", record.method), ("tool", record.tool), ("backend", record.backend)]
    {
        if !value.is_empty() {
            field(name, &value);
        }
    }
    field("outcome", &record.outcome.as_str());
    if let Some(session) = &record.session {
        field("session", session);
    }
    if let Some(request_id) = &record.request_id {
        field("request_id", request_id);
    }
    if let Some(error) = record.error {
        field("error", &error);
    }
}

/// A JSON string of whatever can be shown.
struct Shown<'a>(&'a dyn Display);

impl serde::Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// RFC 3339 in UTC with microseconds.
fn timestamp(line: &mut Vec<u8>, now: SystemTime) {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = since_epoch.subsec_micros();
    infallible(write!(
        line,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
    ));
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

fn infallible(result: io::Result<()>) {
    result.expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(tool: &'a str, error: Option<&'a dyn Display>) -> Record<'a> {
        Record {
            method: "tools/call",
            tool,
            backend: "time",
            outcome: Outcome::Ok,
            duration: Duration::from_micros(12_345),
            session: Some(SessionId::from_bytes([0xab; 16])),
            request_id: Some("r1"),
            error,
        }
    }

    fn line(write: fn(&mut Vec<u8>, &Record<'_>, SystemTime), record: &Record<'_>) -> String {
        let mut line = Vec::new();
        write(&mut line, record, UNIX_EPOCH + Duration::from_micros(1_795_257_719_000_007));
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_with_the_fields_that_dashboards_query() {
        assert_eq!(
            line(json, &record("now", None)),
            concat!(
                r#"{"timestamp":"2026-11-21T10:41:59.000007Z","level":"INFO","message":"tool call","#,
                r#""subsystem":"MCP-Tool","method":"tools/call","tool":"now","backend":"time","#,
                r#""outcome":"ok","session":"abababab","request_id":"r1","duration_s":0.012345}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_line_for_people_has_the_same_fields() {
        assert_eq!(
            line(text, &record("now", Some(&"no such zone"))),
            "2026-11-21T10:41:59.000007Z  INFO tool call method=tools/call tool=now backend=time \
             outcome=ok session=abababab request_id=r1 error=\"no such zone\" duration_s=0.012345\n"
        );
    }

    #[test]
    fn nothing_that_a_backend_says_can_forge_a_line() {
        let evil = "x\"} \n{\"level\":\"ERROR\"\u{1b}[2J\\\u{85}";
        for write in [json, text] {
            let line = line(write, &record(evil, Some(&evil)));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains('\u{1b}'), "{line}");
        }
        let value: serde_json::Value =
            serde_json::from_str(&line(json, &record(evil, Some(&evil)))).unwrap();
        assert_eq!((value["tool"].as_str(), value["error"].as_str()), (Some(evil), Some(evil)));
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
