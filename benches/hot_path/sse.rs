//! A stream of 1,000 events.

use divan::Bencher;
use divan::counter::BytesCount;
use portcullis::mcp::sse::{Decoder, encode};

const EVENTS: usize = 1000;
const DATA: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1,"total":1000}}"#;
/// How much of it arrives at once.
const CHUNK_BYTES: usize = 8 << 10;

fn write() -> Vec<u8> {
    (0..EVENTS).flat_map(|number| encode(DATA, Some(&format!("1-{number}")))).collect()
}

#[divan::bench]
fn encode_events(bencher: Bencher<'_, '_>) {
    let counter = BytesCount::new(EVENTS * DATA.len());
    bencher.counter(counter).bench(|| {
        (0..EVENTS).map(|_| encode(DATA, Some("0123456789abcdef-1")).len()).sum::<usize>()
    });
}

#[divan::bench]
fn decode_events(bencher: Bencher<'_, '_>) {
    let stream = write();
    bencher.counter(BytesCount::new(stream.len())).bench(|| {
        let (mut decoder, mut events) = (Decoder::new(1 << 20), 0);
        for chunk in stream.chunks(CHUNK_BYTES) {
            decoder.push(chunk);
            while decoder.next_event().expect("small events").is_some() {
                events += 1;
            }
        }
        assert_eq!(events, EVENTS);
    });
}
