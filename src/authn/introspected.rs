//! What an introspection endpoint says of a token (RFC 7662 §2.2), held against what the
//! configuration says of its issuer.
//!
//! `active` is not enough: the issuer has active tokens for others than us. What claims mean is the
//! same as in a JWT, but for what only the issuer itself can leave out.

use serde_json::Value;

use super::Fault;
use super::claims::{self, Check, Claims, Disbelief, Expected, Seen, Strict, Witness};
use super::issuers::Introspected;
use crate::call::Principal;

const TYPE: Fault = Fault::new("type", "the token is no bearer access token");
const ISSUER: Fault =
    Fault::new("issuer", "the token is from another issuer than the one that knows it");

/// Whoever a token is for, if what is said of it will do.
///
/// # Errors
/// What is wrong with it; the fault names the issuer.
pub(super) fn principal(
    answer: &Introspected,
    expected: &Expected<'_>,
) -> Result<Principal, Fault> {
    let found = examine(&said(answer), expected, &mut Strict);
    let principal = found.map_err(|disbelief| disbelief.into_fault(expected.issuer))?;
    Ok(principal.expect("whoever stops at the first failure has none behind them"))
}

/// The members that say something: some endpoints write all of them, and null where there is nothing
/// to say.
pub(super) fn said(answer: &Introspected) -> Claims {
    let members = answer.iter().filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Checks everything, before the eyes of `witness`: `Ok(None)` if that went on after a failure.
pub(super) fn examine(
    said: &Claims,
    expected: &Expected<'_>,
    witness: &mut impl Witness,
) -> Result<Option<Principal>, Disbelief> {
    let mut seen = Seen { witness, issuer: expected.issuer };
    let typ = seen.check(Check::Type, check_type(said))?;
    let from = seen.check(Check::Issuer, check_issuer(said, expected))?;
    // The issuer has said that it is active, and need not say for how long.
    let expires = seen.check(Check::Expiry, claims::expiry_if_any(said, expected))?;
    let granted = claims::examine(said, subject_claim(said, expected), expected, &mut seen)?;
    let passed = [typ, from].into_iter().collect::<Option<()>>();
    let principal = granted.zip(expires).zip(passed);
    Ok(principal.map(|((granted, expires), ())| Principal { expires, ..granted }))
}

/// It may be a refresh token, or one that is worth nothing without a key that it is bound to.
fn check_type(said: &Claims) -> Result<(), Fault> {
    let is_one =
        |typ: &str| ["Bearer", "access_token"].iter().any(|it| it.eq_ignore_ascii_case(typ));
    match said.get("token_type") {
        None => Ok(()),
        Some(Value::String(typ)) if is_one(typ) => Ok(()),
        Some(_) => Err(TYPE),
    }
}

fn check_issuer(said: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    match said.get("iss") {
        None => Ok(()),
        Some(Value::String(issuer)) if **issuer == *expected.issuer.issuer => Ok(()),
        Some(_) => Err(ISSUER),
    }
}

/// A person may be called `username` where there is no `sub`. They must not be taken for the client:
/// all its users would be one.
fn subject_claim<'a>(said: &Claims, expected: &Expected<'a>) -> &'a str {
    match &*expected.issuer.subject_claim {
        "sub" if !said.contains_key("sub") && said.contains_key("username") => "username",
        claim => claim,
    }
}

#[cfg(test)]
mod tests;
