//! The public keys of an issuer (RFC 7517).

mod document;
mod jwk;

use super::Algorithm;
use document::keys;
use jwk::Unused;

pub(super) use jwk::Jwk;

/// The most keys of which one is tried after the other, when a token leaves open which it is.
const MAX_TRIED: usize = 8;

/// The keys that an issuer's JWT may be signed with.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Box<[Jwk]>,
    left_out: Box<[LeftOut]>,
}

/// A document that is no set of keys for us.
#[derive(Debug, thiserror::Error)]
#[error("is no set of keys: {0}")]
pub(super) struct BadKeySet(pub(super) String);

/// A key that stands in a set and is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Which one, counted from 1.
    pub(super) position: usize,
    /// Why.
    pub(super) why: &'static str,
}

/// The keys that a token may be signed with.
#[derive(Debug)]
pub(super) enum Candidates<'k> {
    /// One of these, at most [`MAX_TRIED`].
    Keys(Vec<&'k Jwk>),
    /// The key that it names is for other algorithms than the one that it names.
    OtherAlgorithm,
    /// None that is known.
    Unknown,
}

impl KeySet {
    /// Reads a JWK Set. Keys that are of no use are left out.
    ///
    /// # Errors
    /// When it is no JWK Set, larger than 1 MiB or of more than 1,000 keys.
    pub(super) fn parse(document: &[u8]) -> Result<Self, BadKeySet> {
        let (mut good, mut left_out, mut published) = (Vec::new(), Vec::new(), Vec::new());
        for (position, key) in (1..).zip(keys(document)?) {
            match Jwk::read(key.get()) {
                Ok(key) => good.push((position, key)),
                Err(Unused { why, published: key }) => {
                    left_out.push(LeftOut { position, why });
                    published.extend(key);
                }
            }
        }
        // Whoever reads the set can sign with it, whatever it says in other places.
        good.retain(|(position, key)| {
            let is_secret = !published.iter().any(|it| it.is_same(key));
            if !is_secret {
                let why = "the set publishes its private half";
                left_out.push(LeftOut { position: *position, why });
            }
            is_secret
        });
        left_out.sort_unstable_by_key(|key| key.position);
        let keys = good.into_iter().map(|(_, key)| key).collect();
        Ok(Self { keys, left_out: left_out.into() })
    }

    /// Whether every key of this set is in `other`: nothing signed by one is to be doubted.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.keys.iter().all(|key| other.keys.contains(key))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that are of no use, in their order.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The keys for a token that names `kid` and `algorithm` (RFC 7515 §4.1.4): those of exactly
    /// that name, or any if it names none.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Candidates<'_> {
        let is_named = |key: &&Jwk| kid.is_none() || key.kid() == kid;
        let named = || self.keys.iter().filter(is_named);
        let keys: Vec<_> = named().filter(|it| it.is_for(algorithm)).take(MAX_TRIED).collect();
        match (keys.is_empty(), kid) {
            (false, _) => Candidates::Keys(keys),
            (true, Some(_)) if named().next().is_some() => Candidates::OtherAlgorithm,
            (true, _) => Candidates::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
