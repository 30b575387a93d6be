//! Where a list goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The last item that a client has seen.
///
/// It is named, not counted: a list may have changed by the time the client asks for the rest.
/// Where it stood is kept as well, for an item that is gone by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The backend it is from.
    pub(super) backend: String,
    /// Its place among the items of that backend.
    pub(super) ordinal: usize,
    /// Its exposed name or URI.
    pub(super) key: String,
}

impl Cursor {
    /// The opaque text; needs no escaping in JSON.
    pub(super) fn encode(backend: &str, ordinal: usize, key: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{ordinal} {backend} {key}"))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        // A backend's name is a DNS label and has no blanks.
        let mut parts = text.splitn(3, ' ');
        let ordinal = parts.next()?.parse().ok()?;
        Some(Self { ordinal, backend: parts.next()?.to_owned(), key: parts.next()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cursor_of_ours_is_refused() {
        let forged = ["eA", "bm90LWEtbnVtYmVyIGEgYg", "MSBub25hbWU"];
        for text in forged.into_iter().chain(["", "2", "not base64!", "===="]) {
            assert_eq!(Cursor::decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(
            backend in "[a-z0-9-]{1,20}", ordinal in any::<usize>(), key in any::<String>(),
        ) {
            let text = Cursor::encode(&backend, ordinal, &key);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Cursor::decode(&text), Some(Cursor { backend, ordinal, key }));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Cursor::decode(&text);
        }
    }
}
