//! Messages: what is read of them, and what is changed.

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use portcullis::backends::relay::{Target, outgoing};
use portcullis::call::Request;
use portcullis::mcp::Message;

/// How long a text in a message is, in bytes.
const TEXTS: [usize; 2] = [100, 1 << 20];

/// A `tools/call` as SDKs write it.
fn request(text: usize) -> Bytes {
    let text = "x".repeat(text);
    Bytes::from(format!(
        r#"{{"method":"tools/call","params":{{"name":"x_github_create_issue","arguments":{{"message":"{text}"}},"_meta":{{"progressToken":7}}}},"jsonrpc":"2.0","id":7}}"#
    ))
}

/// A backend's answer to it.
fn response(text: usize) -> Bytes {
    let text = "x".repeat(text);
    Bytes::from(format!(
        r#"{{"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}},"jsonrpc":"2.0","id":1234}}"#
    ))
}

/// The envelope and the parameters that routing needs.
#[divan::bench(args = TEXTS)]
fn parse_request(bencher: Bencher<'_, '_>, text: usize) {
    let raw = request(text);
    bencher.counter(BytesCount::new(raw.len())).with_inputs(|| raw.clone()).bench_values(|raw| {
        let message = Message::parse(raw).expect("a message");
        Request::new(message).expect("a request")
    });
}

#[divan::bench(args = TEXTS)]
fn parse_response(bencher: Bencher<'_, '_>, text: usize) {
    let raw = response(text);
    bencher
        .counter(BytesCount::new(raw.len()))
        .with_inputs(|| raw.clone())
        .bench_values(|raw| Message::parse(raw).expect("a message"));
}

/// Another id, another name and another progress token, as the backend gets the request.
#[divan::bench(args = TEXTS)]
fn splice_request(bencher: Bencher<'_, '_>, text: usize) {
    let message = Message::parse(request(text)).expect("a message");
    let request = Request::new(message).expect("a request");
    let target = Target { name: Some("create_issue".into()) };
    bencher.bench(|| outgoing(&request, 1234, &target));
}

/// The client's id instead of ours, in a response that nobody else holds.
#[divan::bench(args = TEXTS)]
fn splice_response(bencher: Bencher<'_, '_>, text: usize) {
    let raw = response(text);
    // A copy: what is shared cannot be changed in place.
    let input = || Message::parse(Bytes::from(raw.to_vec())).expect("a message");
    bencher.with_inputs(input).bench_values(|message| message.with_id(b"7"));
}
