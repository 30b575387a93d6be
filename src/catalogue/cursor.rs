//! Where a list goes on.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The parts of a list, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Ways to what is exposed.
    Meta,
    /// What Portcullis itself offers.
    Own,
    /// What one backend offers alone.
    Solo,
    /// What the backends of a family offer together.
    Family,
}

const PARTS: [Part; 4] = [Part::Meta, Part::Own, Part::Solo, Part::Family];

/// Where an item stands in a list; lists are in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) part: Part,
    /// The backend or family; no name of one has a blank in it.
    pub(super) group: Arc<str>,
    /// Its place among the items of that group.
    pub(super) ordinal: usize,
}

/// The last item that a client has seen.
///
/// It is named, not counted: a list may have changed by the time the client asks for the rest.
/// Where it stood is kept as well, for an item that is gone by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Where it stood.
    pub(super) place: Place,
    /// Its exposed name or URI.
    pub(super) key: String,
}

impl Cursor {
    /// The opaque text; needs no escaping in JSON.
    pub(super) fn encode(place: &Place, key: &str) -> String {
        let Place { part, group, ordinal } = place;
        URL_SAFE_NO_PAD.encode(format!("{} {ordinal} {group} {key}", *part as usize))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.splitn(4, ' ');
        let part = *PARTS.get(parts.next()?.parse::<usize>().ok()?)?;
        let ordinal = parts.next()?.parse().ok()?;
        let place = Place { part, ordinal, group: parts.next()?.into() };
        Some(Self { place, key: parts.next()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cursor_of_ours_is_refused() {
        let forged = ["eA", "bm90LWEtbnVtYmVyIGEgYg", "MSBub25hbWU", "OSAxIGEgYg"];
        for text in forged.into_iter().chain(["", "2", "not base64!", "===="]) {
            assert_eq!(Cursor::decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(
            part in 0..4_usize, group in "[a-z0-9-]{0,20}", ordinal in any::<usize>(),
            key in any::<String>(),
        ) {
            let place = Place { part: PARTS[part], group: group.into(), ordinal };
            let text = Cursor::encode(&place, &key);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Cursor::decode(&text), Some(Cursor { place, key }));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Cursor::decode(&text);
        }
    }
}
