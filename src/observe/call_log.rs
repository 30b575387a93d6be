//! One line per call. It is on the way of every call, so it is written by hand into a buffer of the
//! thread: through `tracing` it would cost several times as much.

mod lines;
mod time;

use std::time::{Duration, SystemTime};

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
    pub error: Option<&'a str>,
}

/// Writes lines about calls to standard error, like the rest of the log.
#[derive(Clone, Copy, Debug)]
pub struct CallLog {
    format: Format,
}

impl CallLog {
    /// Lines of this form.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Writes the line about a call that has just ended, at once or soon.
    pub fn write(&self, record: &Record<'_>) {
        lines::add(|line| self.append(line, record, SystemTime::now()));
    }

    /// Appends the line about a call that ended at `now`.
    pub fn append(&self, line: &mut Vec<u8>, record: &Record<'_>, now: SystemTime) {
        match self.format {
            Format::Json => json(line, record, now),
            Format::Text => text(line, record, now),
        }
    }
}

/// Writes what this thread has kept. A thread that calls this whenever it is about to wait writes
/// many lines at once from then on; on others each is written when it is there.
pub fn write_before_waiting() {
    lines::write(true);
}

/// Writes what this thread has kept, for something else is to stand behind it.
pub(super) fn write_before_others() {
    lines::write(false);
}

fn json(line: &mut Vec<u8>, record: &Record<'_>, now: SystemTime) {
    line.reserve(512);
    line.extend_from_slice(br#"{"timestamp":""#);
    time::timestamp(line, now);
    line.extend_from_slice(br#"","level":"INFO","message":"tool call","subsystem":"MCP-Tool""#);
    each(record, |name, value| {
        line.extend_from_slice(name.json.as_bytes());
        json_string(line, value);
    });
    line.extend_from_slice(br#","duration_s":"#);
    seconds(line, record.duration);
    line.extend_from_slice(b"}\n");
}

/// Most texts stand in JSON as they are.
fn json_string(line: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without a way out of it, many bytes are looked at at once.
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        return serde_json::to_writer(line, text).expect("a vector takes everything");
    }
    line.push(b'"');
    line.extend_from_slice(text.as_bytes());
    line.push(b'"');
}

fn text(line: &mut Vec<u8>, record: &Record<'_>, now: SystemTime) {
    time::timestamp(line, now);
    line.extend_from_slice(b"  INFO tool call");
    each(record, |name, value| {
        line.extend_from_slice(name.text.as_bytes());
        // Quoted and escaped where it could be taken for more than one value, or for a line.
        if value.chars().all(|c| c.is_alphanumeric() || "-_./:~".contains(c)) {
            line.extend_from_slice(value.as_bytes());
        } else {
            line.extend_from_slice(format!("{value:?}").as_bytes());
        }
    });
    line.extend_from_slice(b" duration_s=");
    seconds(line, record.duration);
    line.push(b'\n');
}

/// What stands before a field's value.
struct Name {
    json: &'static str,
    text: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        Name { json: concat!(",\"", $name, "\":"), text: concat!(" ", $name, "=") }
    };
}

/// The fields that there are, in the order of the line.
fn each(record: &Record<'_>, mut field: impl FnMut(Name, &str)) {
    for (name, value) in [
        (name!("method"), record.method),
        (name!("tool"), record.tool),
        (name!("backend"), record.backend),
    ] {
        if !value.is_empty() {
            field(name, value);
        }
    }
    field(name!("outcome"), record.outcome.as_str());
    if let Some(session) = &record.session {
        field(name!("session"), session.excerpt().as_str());
    }
    if let Some(request_id) = record.request_id {
        field(name!("request_id"), request_id);
    }
    if let Some(error) = record.error {
        field(name!("error"), error);
    }
}

/// With six digits behind the point.
fn seconds(line: &mut Vec<u8>, duration: Duration) {
    let rounded = duration + Duration::from_nanos(500);
    decimal(line, rounded.as_secs(), 1);
    line.push(b'.');
    decimal(line, rounded.subsec_micros().into(), 6);
}

/// A number with at least so many digits.
fn decimal(line: &mut Vec<u8>, number: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    line.resize(line.len() + width.saturating_sub(digits.len()), b'0');
    line.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(tool: &'a str, error: Option<&'a str>) -> Record<'a> {
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
        write(
            &mut line,
            record,
            SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_257_719_000_007),
        );
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
            line(text, &record("now", Some("no such zone"))),
            "2026-11-21T10:41:59.000007Z  INFO tool call method=tools/call tool=now backend=time \
             outcome=ok session=abababab request_id=r1 error=\"no such zone\" duration_s=0.012345\n"
        );
    }

    #[test]
    fn nothing_that_a_backend_says_can_forge_a_line() {
        let evil = "x\"} \n{\"level\":\"ERROR\"\u{1b}[2J\\\u{85}";
        for write in [json, text] {
            let line = line(write, &record(evil, Some(evil)));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains('\u{1b}'), "{line}");
        }
        let value: serde_json::Value =
            serde_json::from_str(&line(json, &record(evil, Some(evil)))).unwrap();
        assert_eq!((value["tool"].as_str(), value["error"].as_str()), (Some(evil), Some(evil)));
    }

    #[test]
    fn durations_are_rounded_to_microseconds() {
        for (duration, expected) in [
            (Duration::ZERO, "0.000000"),
            (Duration::from_nanos(499), "0.000000"),
            (Duration::from_nanos(501), "0.000001"),
            (Duration::new(9, 999_999_600), "10.000000"),
            (Duration::from_millis(3_600_050), "3600.050000"),
        ] {
            let mut line = Vec::new();
            seconds(&mut line, duration);
            assert_eq!(String::from_utf8(line).unwrap(), expected, "{duration:?}");
        }
    }
}
