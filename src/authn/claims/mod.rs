//! What is said of a token, by itself or by its issuer, held against the configuration: claims mean
//! the same in a JWT (RFC 9068) and in what an introspection endpoint answers (RFC 7662 §2.2).

mod audience;
mod grants;
mod times;
mod witness;

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::Issuer;
use crate::call::Principal;

pub(super) use grants::wrong;
pub(super) use times::{expiry, expiry_if_any, time};
pub(super) use witness::{Check, Disbelief, Seen, Strict, Witness};

/// The members of a token, or of what is said of it.
pub(super) type Claims = Map<String, Value>;

/// What a token has to agree with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Who must have issued it.
    pub(super) issuer: &'a Issuer,
    /// The endpoint's resource identifier, the audience unless the issuer has others.
    pub(super) resource: &'a str,
    /// How far clocks may be apart.
    pub(super) leeway: Duration,
    /// The time.
    pub(super) now: SystemTime,
}

/// Checks what tokens of all kinds have in common, and makes of it whom the token is for. The claim
/// `named` says who that is; when it expires is for the caller to check and to fill in.
pub(super) fn examine(
    claims: &Claims,
    named: &str,
    expected: &Expected<'_>,
    seen: &mut Seen<'_, impl Witness>,
) -> Result<Option<Principal>, Disbelief> {
    let issuer = expected.issuer;
    let begun = seen.check(Check::NotBefore, times::not_before(claims, expected))?;
    let made = seen.check(Check::Issued, times::issued(claims, expected))?;
    let audience = seen.check(Check::Audience, audience::check(claims, expected))?;
    let allowed = seen.check(Check::Claims, grants::check(claims, issuer))?;
    let client = seen.check(Check::Client, grants::client(claims))?;
    let subject = grants::subject(claims, named, client.unwrap_or_default());
    let subject = seen.check(Check::Subject, subject)?;
    let scopes = seen.check(Check::Scopes, grants::scopes(claims, issuer))?;
    let groups = seen.check(Check::Groups, grants::groups(claims, issuer))?;
    let principal = || {
        let (subject, kind) = subject?;
        [begun, made, audience, allowed].into_iter().collect::<Option<()>>()?;
        Some(Principal {
            issuer: (*issuer.issuer).into(),
            subject: subject.into(),
            client: client?.into(),
            kind,
            scopes: scopes?,
            groups: groups?,
            expires: None,
        })
    };
    Ok(principal())
}
