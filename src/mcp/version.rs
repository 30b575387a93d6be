//! Protocol revisions.

use std::fmt;

/// A revision of the Model Context Protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// HTTP+SSE and stdio.
    V2024_11_05,
    /// Streamable HTTP; the only revision with JSON-RPC batches.
    V2025_03_26,
    /// `MCP-Protocol-Version` header, structured output, elicitation.
    V2025_06_18,
    /// The last revision with sessions.
    V2025_11_25,
    /// Stateless: no `initialize`, no sessions.
    V2026_07_28,
}

impl ProtocolVersion {
    /// All revisions, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The newest revision with `initialize` and sessions.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// The date by which the specification names the revision.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether the revision knows no `initialize` and no sessions. A client of such a revision
    /// cancels by closing its stream.
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// The revision of that date, if it is one we speak.
    pub fn parse(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == date)
    }

    /// Whether a JSON-RPC batch may be sent (2025-03-26 only: it came with that revision and
    /// went with the next).
    pub const fn allows_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// Whether an SSE stream may begin with an event without data that only carries an id
    /// (MCP 2025-11-25, Streamable HTTP, "Sending Messages to the Server").
    pub const fn has_priming_events(self) -> bool {
        matches!(self, Self::V2025_11_25)
    }

    /// The number under which a sealed session id holds the revision.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// The revision with that number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_revision_survives_its_text_and_its_number() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.as_str()), Some(version));
            assert_eq!(ProtocolVersion::from_u8(version.to_u8()), Some(version));
        }
        assert_eq!(ProtocolVersion::parse("2099-01-01"), None);
        assert_eq!(ProtocolVersion::from_u8(200), None);
    }
}
