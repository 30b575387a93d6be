//! `auth.tokens`: bearer tokens that the configuration knows, by their digests.

use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};
use constant_time_eq::constant_time_eq_32;
use serde_json::{Value as Json, json};

use crate::call::Names;
use crate::config::{Fields, Section, Shown, Value};

/// A static token. Who holds it is the service of that name.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// What it is called; the subject of whoever sends it.
    pub name: Box<str>,
    /// The SHA-256 of the token.
    pub digest: Digest,
    /// What it is good for.
    pub scopes: Names,
    /// The groups that its holder is in.
    pub groups: Names,
}

/// A SHA-256 digest. Tokens have 256 random bits, so nothing slower is needed to keep them safe.
///
/// Two are compared in constant time, and `Debug` shows none: it would do for trying guesses.
#[derive(Clone, Copy, Default, Eq)]
pub struct Digest(pub [u8; 32]);

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq_32(&self.0, &other.0)
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

impl Digest {
    /// The digest of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(digest(&SHA256, token).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// 64 hexadecimal digits.
impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Value for Digest {
    fn read(text: &str) -> Result<Self, String> {
        let fault = "is not a digest; `portcullis token new NAME` prints the line to paste";
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks_exact(2).map(byte).collect();
        let bytes = bytes.filter(|_| text.len() == 64).ok_or(fault)?;
        Ok(Self(bytes.try_into().map_err(|_| fault)?))
    }
}

impl Section for Token {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        match fields.get_with("name", name) {
            Some(name) => self.name = name,
            None if !fields.has("name") => fields.problem("name", "is missing"),
            None => {}
        }
        match fields.get::<String>("sha256").map(|text| Digest::read(&text)) {
            Some(Ok(digest)) => self.digest = digest,
            // Not repeated: it may be the token itself.
            Some(Err(fault)) => fields.problem("sha256", fault),
            None if !fields.has("sha256") => fields.problem("sha256", "is missing"),
            None => {}
        }
        self.scopes = fields.list("scopes", name).unwrap_or_default().into_iter().collect();
        self.groups = fields.list("groups", name).unwrap_or_default().into_iter().collect();
    }
}

/// The digest lets nobody in, but who it is for is nobody's business either.
impl Shown for Token {
    fn shown(&self) -> Json {
        json!({
            "name": self.name,
            "scopes": self.scopes.iter().collect::<Vec<_>>(),
            "groups": self.groups.iter().collect::<Vec<_>>(),
        })
    }
}

/// A name of a token, a scope or a group: without what separates names in scopes and lists.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<Box<str>, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if text.is_empty() || text.len() > 100 || !plain {
        return Err("is not a name; use 1 to 100 printable characters without spaces".to_owned());
    }
    Ok(text.into())
}
