//! Request ids, kept as the JSON they came as.

use std::fmt;

use bytes::Bytes;

/// The id of a JSON-RPC request: the raw JSON of a string or an integer.
///
/// The JSON type and every digit survive: `7` and `"7"` are two ids, and no integer is too large.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Bytes);

impl RequestId {
    /// Takes raw JSON for an id.
    ///
    /// Returns `None` unless it is a string or an integer (MCP: "MUST NOT be null"; JSON-RPC 2.0
    /// §4: numbers should not contain fractional parts).
    pub fn from_raw(raw: Bytes) -> Option<Self> {
        Self::is_one(&raw).then_some(Self(raw))
    }

    /// Whether raw JSON is an id.
    pub(super) fn is_one(raw: &[u8]) -> bool {
        let is_string = raw.first() == Some(&b'"');
        let digits = raw.strip_prefix(b"-").unwrap_or(raw);
        let is_integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        is_string || is_integer
    }

    /// The raw JSON.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The raw JSON, sharing the memory of the message it came in.
    pub fn raw(&self) -> Bytes {
        self.0.clone()
    }

    /// The number, if this is one that fits: the ids that we hand out ourselves.
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }
}

impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        Self(Bytes::from(number.to_string()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strings_and_integers_are_ids() {
        for (raw, accepted) in [
            (r#""a""#, true),
            ("7", true),
            ("-7", true),
            ("18446744073709551616", true),
            ("1.5", false),
            ("1e3", false),
            ("null", false),
            ("true", false),
            ("{}", false),
            ("-", false),
        ] {
            assert_eq!(RequestId::from_raw(Bytes::from(raw)).is_some(), accepted, "{raw}");
        }
    }
}
