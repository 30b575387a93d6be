//! When a token holds (RFC 7519 §4.1.4 to §4.1.6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Claims, Expected};
use crate::authn::Fault;

/// The end of the year 9999, which is as far as RFC 3339 can write.
const MAX_SECONDS: f64 = 253_402_300_799.0;

const EXPIRY: Fault = Fault::new(
    "expiry",
    "the token needs the claim exp, a number of seconds since 1970 after its iat and before 10000",
);
const EXPIRED: Fault = Fault::new("expired", "the token has expired; get a new one");
const NOT_BEFORE: Fault =
    Fault::new("time", "the claim nbf of the token has to be a number of seconds since 1970");
const PREMATURE: Fault = Fault::new(
    "premature",
    "the token does not hold yet, as its claim nbf says; wait, or set the clocks",
);
const ISSUED: Fault =
    Fault::new("time", "the claim iat of the token has to be a number of seconds since 1970");
const FUTURE: Fault = Fault::new(
    "future",
    "the token was issued in the future, as its claim iat says; set the clocks",
);

/// A claim that is a `NumericDate` (RFC 7519 §2): seconds, perhaps with a fraction.
pub(in crate::authn) fn time(claims: &Claims, name: &str) -> Result<Option<SystemTime>, NoTime> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
    let since = Duration::try_from_secs_f64(seconds.ok_or(NoTime)?).map_err(|_| NoTime)?;
    UNIX_EPOCH.checked_add(since).map(Some).ok_or(NoTime)
}

/// A claim is there and is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::authn) struct NoTime;

/// When a token ends that has to say so itself.
pub(in crate::authn) fn expiry(
    claims: &Claims,
    expected: &Expected<'_>,
) -> Result<SystemTime, Fault> {
    expiry_if_any(claims, expected)?.ok_or(EXPIRY)
}

/// When a token ends, if that is known.
pub(in crate::authn) fn expiry_if_any(
    claims: &Claims,
    expected: &Expected<'_>,
) -> Result<Option<SystemTime>, Fault> {
    let Some(expiry) = time(claims, "exp").map_err(|NoTime| EXPIRY)? else { return Ok(None) };
    if matches!(time(claims, "iat"), Ok(Some(issued)) if issued > expiry) {
        return Err(EXPIRY);
    }
    if expected.now >= expiry + expected.leeway { Err(EXPIRED) } else { Ok(Some(expiry)) }
}

pub(super) fn not_before(claims: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    match time(claims, "nbf") {
        Err(NoTime) => Err(NOT_BEFORE),
        Ok(Some(begin)) if begin > expected.now + expected.leeway => Err(PREMATURE),
        Ok(_) => Ok(()),
    }
}

pub(super) fn issued(claims: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    match time(claims, "iat") {
        Err(NoTime) => Err(ISSUED),
        Ok(Some(issued)) if issued > expected.now + expected.leeway => Err(FUTURE),
        Ok(_) => Ok(()),
    }
}
