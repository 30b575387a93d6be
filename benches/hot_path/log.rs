//! The line about a call.

use std::time::{Duration, SystemTime};

use divan::Bencher;
use portcullis::call::{Outcome, SessionId};
use portcullis::observe::call_log::{CallLog, Record};
use portcullis::observe::logging::Format;

#[divan::bench]
fn json(bencher: Bencher<'_, '_>) {
    line(bencher, Format::Json);
}

#[divan::bench]
fn text(bencher: Bencher<'_, '_>) {
    line(bencher, Format::Text);
}

/// Into memory that is used again, as workers do it.
fn line(bencher: Bencher<'_, '_>, format: Format) {
    let log = CallLog::new(format);
    let record = Record {
        method: "tools/call",
        tool: "x_github_create_issue",
        backend: "github",
        outcome: Outcome::Ok,
        duration: Duration::from_micros(12_345),
        session: Some(SessionId::from_bytes([0xab; 16])),
        request_id: Some("10594d52288706ceae257116e220975e"),
        error: None,
    };
    let mut bytes = Vec::new();
    bencher.bench_local(move || {
        bytes.clear();
        log.append(&mut bytes, &record, SystemTime::now());
        bytes.len()
    });
}
