//! What a session id says.

use aws_lc_rs::digest::{Context, SHA256};

use crate::call::{Principal, SessionId};
use crate::mcp::{Capabilities, ProtocolVersion};

/// Bytes of an encoded session.
pub(super) const ENCODED_LEN: usize = 16 + 1 + 1 + OWNER_LEN + 8 + HOME_LEN;
const OWNER_LEN: usize = 16;
const HOME_LEN: usize = 16;

/// A session as its sealed id holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// What names it inside the gateway.
    pub id: SessionId,
    /// The revision agreed on.
    pub version: ProtocolVersion,
    /// What backends may ask of the client.
    pub capabilities: Capabilities,
    /// Whose it is.
    pub owner: Owner,
    /// When it was issued, in seconds since 1970.
    pub issued: u64,
    /// Where its soft state lives.
    pub home: Home,
}

/// A digest of issuer, subject and client: binds a session to whoever opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner([u8; OWNER_LEN]);

/// A replica, and the boot of it: soft state does not survive a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(pub [u8; HOME_LEN]);

impl Home {
    /// A number that only this boot of this replica begins to count from.
    pub(super) fn first_number(self) -> u64 {
        u64::from_be_bytes(*self.0.last_chunk().expect("a home is longer than eight bytes"))
    }

    /// Sixteen hexadecimal digits that tell replicas and boots apart.
    pub fn short(self) -> String {
        let start = self.0.first_chunk().expect("a home is longer than eight bytes");
        format!("{:016x}", u64::from_be_bytes(*start))
    }
}

impl Owner {
    /// The digest of a principal.
    pub fn of(principal: &Principal) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [&principal.issuer, &principal.subject, &principal.client] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = context.finish();
        Self(digest.as_ref()[..OWNER_LEN].try_into().expect("SHA-256 is longer"))
    }

    /// Whether two principals are one owner.
    pub fn is_same(one: &Principal, other: &Principal) -> bool {
        one.issuer == other.issuer && one.subject == other.subject && one.client == other.client
    }
}

impl Session {
    pub(super) fn encode(&self) -> [u8; ENCODED_LEN] {
        let mut out = [0; ENCODED_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(self.id.as_bytes());
        put(&[self.version.to_u8(), self.capabilities.bits()]);
        put(&self.owner.0);
        put(&self.issued.to_be_bytes());
        put(&self.home.0);
        out
    }

    pub(super) fn decode(bytes: &[u8; ENCODED_LEN]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let ([version, capabilities], rest) = rest.split_first_chunk::<2>()?;
        let (owner, rest) = rest.split_first_chunk::<OWNER_LEN>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (home, _) = rest.split_first_chunk::<HOME_LEN>()?;
        Some(Self {
            id: SessionId::from_bytes(*id),
            version: ProtocolVersion::from_u8(*version)?,
            capabilities: Capabilities::from_bits(*capabilities),
            owner: Owner(*owner),
            issued: u64::from_be_bytes(*issued),
            home: Home(*home),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn example() -> Session {
        Session {
            id: SessionId::from_bytes([3; 16]),
            version: ProtocolVersion::V2025_06_18,
            capabilities: Capabilities::ROOTS.with(Capabilities::SAMPLING),
            owner: Owner::of(&Principal::anonymous()),
            issued: 1_700_000_000,
            home: Home([9; HOME_LEN]),
        }
    }

    #[test]
    fn a_session_survives_its_encoding() {
        assert_eq!(Session::decode(&example().encode()), Some(example()));
    }

    #[test]
    fn principals_that_differ_in_any_part_are_different_owners() {
        let principal = |(issuer, subject, client): (&str, &str, &str)| Principal {
            issuer: issuer.into(),
            subject: subject.into(),
            client: client.into(),
            ..Principal::anonymous()
        };
        let parts =
            [("a", "b", ""), ("a", "b", "c"), ("ab", "", ""), ("", "ab", ""), ("a", "", "b")];
        for (one, other) in parts.iter().flat_map(|one| parts.map(|other| (*one, other))) {
            let (a, b) = (principal(one), principal(other));
            assert_eq!(Owner::of(&a) == Owner::of(&b), one == other, "{one:?} {other:?}");
            assert_eq!(Owner::is_same(&a, &b), one == other, "{one:?} {other:?}");
        }
    }
}
