//! The identity of an MCP session inside the gateway.

use std::fmt;

/// The random part of a sealed `Mcp-Session-Id`: names a session in maps and keys.
///
/// It is not what the client holds; knowing it opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A session with these random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The random bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Enough of it to tell sessions apart in a log.
    pub fn excerpt(&self) -> Excerpt {
        let digit = |at: usize| {
            let byte = self.0[at / 2];
            b"0123456789abcdef"
                [usize::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 })]
        };
        Excerpt(std::array::from_fn(digit))
    }
}

/// The first eight hexadecimal digits of a [`SessionId`].
#[derive(Clone, Copy, Debug)]
pub struct Excerpt([u8; 8]);

impl Excerpt {
    /// As text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits are text")
    }
}

impl fmt::Display for SessionId {
    /// Its excerpt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.excerpt().as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}
