//! Replacing parts of a message and copying the rest as it came.

use bytes::{Bytes, BytesMut};

use super::Span;

/// Copies `raw` with each span replaced; an empty span inserts.
///
/// # Panics
/// When the spans overlap or are not in ascending order.
pub fn splice(raw: &[u8], edits: &[(Span, &[u8])]) -> Bytes {
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut out = BytesMut::with_capacity(raw.len() + added);
    let mut copied = 0;
    for (span, with) in edits {
        assert!(span.start >= copied, "edits are ordered and do not overlap");
        out.extend_from_slice(&raw[copied..span.start]);
        out.extend_from_slice(with);
        copied = span.end;
    }
    out.extend_from_slice(&raw[copied..]);
    out.freeze()
}

/// A string as a JSON literal.
pub fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a string is always valid JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_replaced_inserted_and_removed_in_one_pass() {
        let edits: [(Span, &[u8]); 3] = [
            (Span { start: 0, end: 1 }, b"AA"),
            (Span::at(2), b"+"),
            (Span { start: 3, end: 5 }, b""),
        ];
        assert_eq!(splice(b"abcdef", &edits), &b"AAb+cf"[..]);
    }
}
