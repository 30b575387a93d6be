//! What is checked of a token, one after the other.

use serde_json::Value;

use super::Jwt;
use crate::authn::claims::{self, Check, Disbelief, Expected, Seen, Witness};
use crate::authn::keys::{Candidates, Jwk, KeySet};
use crate::authn::{Algorithm, Fault, Issuer};
use crate::call::Principal;

const CRITICAL: Fault = Fault::new(
    "critical",
    "the header of the token has crit or b64, and no extension that they ask for is supported",
);
const ALGORITHM: Fault = Fault::new(
    "algorithm",
    "the alg of the token is none of the issuer's algorithms, or is not for the key that it names",
);
const TYPE: Fault =
    Fault::new("type", "the typ of the token is none of acceptedTypHeaders; at+jwt is the usual");
const ISSUER: Fault = Fault::new("issuer", "the token is of another issuer");
const KID: Fault = Fault::new("key", "the kid of the token has to be a string");
const SIGNATURE: Fault = Fault::new(
    "signature",
    "the signature of the token is not the one that the issuer's key makes",
);

impl Jwt<'_> {
    /// Checks everything, before the eyes of `witness`: `Ok(None)` if that went on after a failure.
    ///
    /// What is cheap comes first: an expired token makes nobody ask for the key it was signed with.
    /// What only the configuration knows comes after the signature, so that nobody can find it out
    /// with tokens of their own making.
    pub(in crate::authn) fn examine(
        &self,
        expected: &Expected<'_>,
        keys: &KeySet,
        witness: &mut impl Witness,
    ) -> Result<Option<Principal>, Disbelief> {
        let (claims, issuer) = (&self.claims, expected.issuer);
        let mut seen = Seen { witness, issuer };
        let header = seen.check(Check::Header, self.check_header())?;
        let algorithm = seen.check(Check::Algorithm, self.algorithm(issuer))?;
        let typ = seen.check(Check::Type, self.check_type(issuer))?;
        let from = seen.check(Check::Issuer, self.check_issuer(issuer))?;
        let expires = seen.check(Check::Expiry, claims::expiry(claims, expected))?;
        let signed = match algorithm {
            Some(algorithm) => self.examine_signature(algorithm, keys, &mut seen)?,
            None => None,
        };
        let granted = claims::examine(claims, &issuer.subject_claim, expected, &mut seen)?;
        let passed = [header, typ, from, signed].into_iter().collect::<Option<()>>();
        let principal = granted.zip(expires).zip(passed);
        Ok(principal
            .map(|((granted, expires), ())| Principal { expires: Some(expires), ..granted }))
    }

    /// RFC 7515 §4.1.11, RFC 7797 §3. Where a token says its key is (`jku`, `x5u`, `jwk`, `x5c`) is
    /// nothing to go by.
    fn check_header(&self) -> Result<(), Fault> {
        let is_plain = self.header.get("b64").is_none_or(|b64| *b64 == Value::Bool(true));
        if self.header.contains_key("crit") || !is_plain { Err(CRITICAL) } else { Ok(()) }
    }

    /// The algorithm, if it is one that the issuer may use.
    pub(in crate::authn) fn algorithm(&self, issuer: &Issuer) -> Result<Algorithm, Fault> {
        let name = self.header.get("alg").and_then(Value::as_str);
        let algorithm = name.and_then(Algorithm::parse);
        algorithm.filter(|algorithm| issuer.algorithms.contains(algorithm)).ok_or(ALGORITHM)
    }

    /// RFC 9068 §2.1: `at+jwt`, in any case and perhaps with `application/` in front.
    fn check_type(&self, issuer: &Issuer) -> Result<(), Fault> {
        let typ = match self.header.get("typ") {
            None => "",
            Some(Value::String(typ)) if !typ.is_empty() => media_type(typ),
            Some(_) => return Err(TYPE),
        };
        let is_accepted = |accepted: &str| typ.eq_ignore_ascii_case(media_type(accepted));
        if issuer.accepted_typ_headers.iter().any(|typ| is_accepted(typ)) {
            Ok(())
        } else {
            Err(TYPE)
        }
    }

    fn check_issuer(&self, issuer: &Issuer) -> Result<(), Fault> {
        if self.issuer() == Some(&*issuer.issuer) { Ok(()) } else { Err(ISSUER) }
    }

    fn examine_signature(
        &self,
        algorithm: Algorithm,
        keys: &KeySet,
        seen: &mut Seen<'_, impl Witness>,
    ) -> Result<Option<()>, Disbelief> {
        let found = self.candidates(algorithm, keys).map_err(|error| seen.own(error));
        let Some(keys) = seen.witness.saw(Check::Key, found)? else { return Ok(None) };
        let is_right =
            keys.iter().any(|key| key.has_signed(self.signed, self.signature, algorithm));
        // A token that names no key may be signed with one that is new.
        let wrong = if self.header.contains_key("kid") {
            seen.own(Disbelief::Fault(SIGNATURE))
        } else {
            Disbelief::UnknownKey
        };
        seen.witness.saw(Check::Signature, if is_right { Ok(()) } else { Err(wrong) })
    }

    fn candidates<'k>(
        &self,
        algorithm: Algorithm,
        keys: &'k KeySet,
    ) -> Result<Vec<&'k Jwk>, Disbelief> {
        let kid = match self.header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(&**kid),
            Some(_) => return Err(Disbelief::Fault(KID)),
        };
        match keys.candidates(kid, algorithm) {
            Candidates::Keys(keys) => Ok(keys),
            Candidates::OtherAlgorithm => Err(Disbelief::Fault(ALGORITHM)),
            Candidates::Unknown => Err(Disbelief::UnknownKey),
        }
    }
}

/// A type without `application/`, which may be left out (RFC 7515 §4.1.9).
fn media_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    }
}
