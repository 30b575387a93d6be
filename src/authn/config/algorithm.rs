//! What JWTs may be signed with.

use crate::config::Value;

/// A signature algorithm of a JWT (RFC 7518 §3.1, RFC 8037); none that shares a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All of them, by the name that stands in `alg`.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// What stands in `alg`.
    pub fn name(self) -> &'static str {
        let (name, _) = Self::NAMES[self as usize];
        name
    }

    /// The algorithm of that name. RFC 9864 §2.2 gives `EdDSA` with this curve a name of its own.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

impl Value for Algorithm {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("is not allowed; use {known}")
        })
    }
}
