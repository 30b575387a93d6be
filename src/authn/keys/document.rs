//! A JWK Set as it was fetched, taken apart into its keys.

use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::BadKeySet;

/// The largest document that is looked at.
const MAX_BYTES: usize = 1024 * 1024;

/// The most keys of a set; issuers have a handful.
const MAX_KEYS: usize = 1000;

/// The keys in a JWK Set (RFC 7517 §5), each as it stands there.
pub(super) fn keys(document: &[u8]) -> Result<Vec<&RawValue>, BadKeySet> {
    if document.len() > MAX_BYTES {
        return Err(BadKeySet(format!("it has more than {MAX_BYTES} bytes")));
    }
    // What stands there is a stranger's word, so the parser's own message, which repeats it, ends here.
    let fault = |error: serde_json::Error| {
        BadKeySet(if error.is_data() {
            format!("it needs one member keys, a list of at most {MAX_KEYS} keys")
        } else {
            "it is not JSON".to_owned()
        })
    };
    let Document { keys } = serde_json::from_slice(document).map_err(fault)?;
    Ok(keys)
}

#[derive(serde::Deserialize)]
struct Document<'d> {
    #[serde(borrow, deserialize_with = "few")]
    keys: Vec<&'d RawValue>,
}

fn few<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<&'d RawValue>, D::Error> {
    deserializer.deserialize_seq(Few)
}

struct Few;

impl<'d> Visitor<'d> for Few {
    type Value = Vec<&'d RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = list.next_element()? {
            if keys.len() == MAX_KEYS {
                return Err(A::Error::custom("too many"));
            }
            keys.push(key);
        }
        Ok(keys)
    }
}
