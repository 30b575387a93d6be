//! Who watches a token being checked, and what it comes to.

use crate::authn::{Fault, Issuer};

/// One thing that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::authn) enum Check {
    Header,
    Algorithm,
    Type,
    Issuer,
    Expiry,
    Key,
    Signature,
    NotBefore,
    Issued,
    Audience,
    Claims,
    Client,
    Subject,
    Scopes,
    Groups,
}

/// Watches a token being checked.
pub(in crate::authn) trait Witness {
    /// Takes note of what a check came to. What it is makes further checks possible; an error ends
    /// them all.
    fn saw<T>(&mut self, check: Check, found: Result<T, Disbelief>)
    -> Result<Option<T>, Disbelief>;
}

/// Ends with the first check that fails, and costs nothing.
pub(in crate::authn) struct Strict;

impl Witness for Strict {
    fn saw<T>(
        &mut self,
        _check: Check,
        found: Result<T, Disbelief>,
    ) -> Result<Option<T>, Disbelief> {
        found.map(Some)
    }
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::authn) enum Disbelief {
    /// None of the keys is the one it names; there may be new ones.
    UnknownKey,
    /// It will not do whatever the keys.
    Fault(Fault),
}

/// For tokens whose key nobody knows, after asking for new ones.
const UNKNOWN_KEY: Fault =
    Fault::new("key", "the issuer publishes no key that the token could be signed with");

impl Disbelief {
    /// What is wrong with a token of `issuer` when there are no newer keys.
    pub(in crate::authn) fn into_fault(self, issuer: &Issuer) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::UnknownKey => UNKNOWN_KEY.of(&issuer.issuer),
        }
    }
}

/// The witness, and who the token has to be of.
pub(in crate::authn) struct Seen<'a, W> {
    pub(in crate::authn) witness: &'a mut W,
    pub(in crate::authn) issuer: &'a Issuer,
}

impl<W: Witness> Seen<'_, W> {
    /// Takes note of what a check came to; a fault is one of the issuer's.
    pub(in crate::authn) fn check<T>(
        &mut self,
        check: Check,
        found: Result<T, Fault>,
    ) -> Result<Option<T>, Disbelief> {
        let found = found.map_err(|fault| self.own(Disbelief::Fault(fault)));
        self.witness.saw(check, found)
    }

    /// The same disbelief, in a token of the issuer.
    pub(in crate::authn) fn own(&self, disbelief: Disbelief) -> Disbelief {
        match disbelief {
            Disbelief::UnknownKey => Disbelief::UnknownKey,
            Disbelief::Fault(fault) => Disbelief::Fault(fault.of(&self.issuer.issuer)),
        }
    }
}
