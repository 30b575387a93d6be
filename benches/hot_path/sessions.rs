//! Session ids: sealed once, opened for each request that a connection does not remember.

use std::time::Duration;

use divan::Bencher;
use portcullis::call::Principal;
use portcullis::mcp::{Capabilities, ProtocolVersion};
use portcullis::sessions::{Keys, Session, Sessions};

fn scene() -> (Sessions, Session) {
    let keys = Keys::new(&[]).expect("randomness");
    let sessions = Sessions::new(keys, Duration::from_hours(24)).expect("randomness");
    let principal = Principal::anonymous();
    let opened = sessions.open(&principal, ProtocolVersion::V2025_06_18, Capabilities::NONE);
    (sessions, opened.expect("randomness"))
}

#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let (sessions, session) = scene();
    bencher.bench(|| sessions.seal(&session).expect("randomness"));
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let (sessions, session) = scene();
    let token = sessions.seal(&session).expect("randomness");
    let principal = Principal::anonymous();
    bencher.bench(|| sessions.find(token.as_bytes(), &principal).expect("a session"));
}

/// What is left of that on a connection that has opened it before.
#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let (sessions, session) = scene();
    bencher.bench(|| sessions.check(session).expect("a session"));
}
