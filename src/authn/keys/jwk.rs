//! One public key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm as Jws, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::authn::Algorithm;

/// RFC 7518 §3.3 wants 2048 bits; larger moduli than this are nothing but work.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that signatures are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::authn) struct Jwk {
    kid: Option<Box<str>>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

/// What makes it this key and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa { modulus: Box<[u8]>, exponent: Box<[u8]> },
    P256(Box<[u8]>),
    P384(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

/// A key that is of no use.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) why: &'static str,
    /// The public half of a key whose private half anybody can read.
    pub(super) published: Option<Jwk>,
}

impl From<&'static str> for Unused {
    fn from(why: &'static str) -> Self {
        Self { why, published: None }
    }
}

/// The members that count. A certificate (`x5c`, `x5u`) is none of them: nobody here vouches for it.
#[derive(Deserialize)]
struct Members<'k> {
    #[serde(borrow)]
    kty: Cow<'k, str>,
    #[serde(borrow, rename = "use")]
    purpose: Option<Cow<'k, str>>,
    #[serde(borrow)]
    key_ops: Option<Vec<Cow<'k, str>>>,
    #[serde(borrow)]
    alg: Option<Cow<'k, str>>,
    kid: Option<Box<str>>,
    #[serde(borrow)]
    crv: Option<Cow<'k, str>>,
    #[serde(borrow)]
    n: Option<Cow<'k, str>>,
    #[serde(borrow)]
    e: Option<Cow<'k, str>>,
    #[serde(borrow)]
    x: Option<Cow<'k, str>>,
    #[serde(borrow)]
    y: Option<Cow<'k, str>>,
    // All that only the owner of a private key knows, and the secret of a symmetric one.
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl Jwk {
    /// Reads one key of a set.
    pub(super) fn read(text: &str) -> Result<Self, Unused> {
        let members: Members<'_> = serde_json::from_str(text)
            .map_err(|_| "it is not a key, or has a member twice or of the wrong type")?;
        if members.kty == "oct" || members.k.is_some() {
            return Err("it is symmetric: whoever can verify with it can sign with it".into());
        }
        let public = members.public();
        if members.is_private() {
            let why = "it is private, and was published; make a new one";
            let key = public.ok().map(|public| Self { kid: None, algorithm: None, public });
            return Err(Unused { why, published: key });
        }
        members.check_purpose()?;
        let public = public?;
        let algorithm = match members.alg.as_deref() {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or("its alg is none that is allowed")?),
        };
        if algorithm.is_some_and(|algorithm| !public.is_for(algorithm)) {
            return Err("its alg does not fit its kty and crv".into());
        }
        Ok(Self { kid: members.kid, algorithm, public })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether signatures of that algorithm can be verified with it. The key decides, not the token.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.public.is_for(algorithm)
    }

    /// Whether it is that key, whatever it is called.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// Whether `signature` (base64url) is this key's under `message`.
    pub(in crate::authn) fn has_signed(
        &self,
        message: &[u8],
        signature: &str,
        algorithm: Algorithm,
    ) -> bool {
        self.is_for(algorithm)
            && verify(signature, message, &self.public.key(), jws(algorithm)).unwrap_or(false)
    }
}

impl Members<'_> {
    fn is_private(&self) -> bool {
        [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth]
            .into_iter()
            .any(Option::is_some)
    }

    /// RFC 7517 §4.2, §4.3.
    fn check_purpose(&self) -> Result<(), &'static str> {
        if self.purpose.as_ref().is_some_and(|purpose| purpose != "sig") {
            return Err("its use is not sig");
        }
        match &self.key_ops {
            Some(operations) if !operations.iter().any(|it| it == "verify") => {
                Err("its key_ops has no verify")
            }
            _ => Ok(()),
        }
    }

    fn public(&self) -> Result<Public, &'static str> {
        match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => rsa(&bytes(self.n.as_deref())?, &bytes(self.e.as_deref())?),
            ("EC", Some("P-256")) => Ok(Public::P256(self.point(32)?)),
            ("EC", Some("P-384")) => Ok(Public::P384(self.point(48)?)),
            ("OKP", Some("Ed25519")) => match bytes(self.x.as_deref())? {
                x if x.len() == 32 => Ok(Public::Ed25519(x.into())),
                _ => Err("its x has not 32 bytes"),
            },
            _ => Err("its kty and crv are none that are supported"),
        }
    }

    /// A point on a curve, uncompressed (SEC 1 §2.3.3). That it is on the curve is seen when a
    /// signature is verified.
    fn point(&self, length: usize) -> Result<Box<[u8]>, &'static str> {
        let (x, y) = (bytes(self.x.as_deref())?, bytes(self.y.as_deref())?);
        if x.len() != length || y.len() != length {
            return Err("its x or y is not as long as its crv says");
        }
        Ok([&[4], &*x, &*y].concat().into())
    }
}

fn bytes(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or("a member is missing that its kty needs")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a member is not base64url without padding")
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Public, &'static str> {
    // Some write a zero in front, as ASN.1 has it.
    let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
    let bits =
        modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("its modulus has not 2048 to 8192 bits");
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // An exponent of 1 would make every message its own signature.
    if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
        return Err("it is no RSA key");
    }
    Ok(Public::Rsa { modulus: modulus.into(), exponent: exponent.into() })
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

impl Public {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self, Self::Rsa { .. }),
            Algorithm::Es256 => matches!(self, Self::P256(_)),
            Algorithm::Es384 => matches!(self, Self::P384(_)),
            Algorithm::EdDsa => matches!(self, Self::Ed25519(_)),
        }
    }

    fn key(&self) -> DecodingKey {
        match self {
            Self::Rsa { modulus, exponent } => {
                DecodingKey::from_rsa_raw_components(modulus, exponent)
            }
            Self::P256(point) | Self::P384(point) => DecodingKey::from_ec_der(point),
            Self::Ed25519(x) => DecodingKey::from_ed_der(x),
        }
    }
}

fn jws(algorithm: Algorithm) -> Jws {
    match algorithm {
        Algorithm::Rs256 => Jws::RS256,
        Algorithm::Rs384 => Jws::RS384,
        Algorithm::Rs512 => Jws::RS512,
        Algorithm::Ps256 => Jws::PS256,
        Algorithm::Ps384 => Jws::PS384,
        Algorithm::Ps512 => Jws::PS512,
        Algorithm::Es256 => Jws::ES256,
        Algorithm::Es384 => Jws::ES384,
        Algorithm::EdDsa => Jws::EdDSA,
    }
}
