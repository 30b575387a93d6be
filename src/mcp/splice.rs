//! Replacing parts of a message and copying the rest as it came.

use bytes::{Buf as _, Bytes, BytesMut};

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

/// Where `span` stands when `edits` have been made; one of theirs is where its replacement stands.
///
/// An edit is within the span, contains none of it, or is the span itself.
pub fn moved(span: Span, edits: &[(Span, &[u8])]) -> Span {
    let Span { mut start, mut end } = span;
    for (part, with) in edits {
        let shift = |at: usize| at + with.len() - (part.end - part.start);
        if part.end <= span.start {
            start = shift(start);
        }
        if part.end <= span.end {
            end = shift(end);
        }
    }
    Span { start, end }
}

/// The same for one part, without copying the rest as far as that goes: when nobody else holds
/// `raw`, only what stands before or behind the span is moved.
pub fn splice_one(raw: Bytes, span: Span, with: &[u8]) -> Bytes {
    let mut raw = match raw.try_into_mut() {
        Ok(raw) => raw,
        Err(raw) => return splice(&raw, &[(span, with)]),
    };
    let Span { start, end } = span;
    if let Some(less) = (end - start).checked_sub(with.len()) {
        raw.copy_within(..start, less);
        raw.advance(less);
    } else {
        let (length, more) = (raw.len(), with.len() - (end - start));
        raw.resize(length + more, 0);
        raw.copy_within(end..length, end + more);
    }
    raw[start..start + with.len()].copy_from_slice(with);
    raw.freeze()
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

    #[test]
    fn what_is_not_replaced_is_found_again_and_so_is_what_replaces_it() {
        let raw = b"..ab..cdef..g";
        let span = |start, end| Span { start, end };
        let edits: [(Span, &[u8]); 2] = [(span(2, 4), b"A"), (span(7, 9), b"DDDD")];
        let spliced = splice(raw, &edits);
        for (before, after) in [
            (span(0, 2), ".."),
            (span(2, 4), "A"),
            (span(4, 6), ".."),
            (span(6, 10), "cDDDDf"),
            (span(7, 9), "DDDD"),
            (span(12, 13), "g"),
            (span(0, 13), "..A..cDDDDf..g"),
        ] {
            let Span { start, end } = moved(before, &edits);
            assert_eq!(&spliced[start..end], after.as_bytes());
        }
    }

    #[test]
    fn a_part_is_replaced_in_place_unless_somebody_else_reads_it() {
        for start in 0..=6 {
            for end in start..=6 {
                for with in ["", "1", "12", "123", "1234567890"] {
                    let (raw, span) = (Bytes::from(b"abcdef".to_vec()), Span { start, end });
                    let expected = splice(&raw, &[(span, with.as_bytes())]);
                    let shared = raw.clone();
                    assert_eq!(splice_one(raw, span, with.as_bytes()), expected);
                    assert_eq!(shared, "abcdef");
                    assert_eq!(splice_one(shared, span, with.as_bytes()), expected);
                }
            }
        }
    }
}
