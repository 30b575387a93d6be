//! Who a token is for, and what it grants.

use serde_json::Value;

use super::Claims;
use crate::authn::{Fault, Issuer};
use crate::call::{Names, PrincipalKind};
use crate::config::Glob;

const CLAIMS: Fault = Fault::new(
    "claims",
    "a claim of the token is not what allowedClaims wants, or is missing, or is no string",
);
const SUBJECT: Fault = Fault::new(
    "subject",
    "the token needs the claim that subjectClaim names, a string that is not empty",
);
const CLIENT: Fault =
    Fault::new("client", "the claim client_id or azp of the token has to be a string");
const SCOPES: Fault = Fault::new(
    "scopes",
    "the scopes of the token have to be a string with spaces between, or a list of strings",
);
const GROUPS: Fault =
    Fault::new("groups", "the groups of the token have to be a string or a list of strings");

/// What claims have to look like, as the configuration says.
pub(super) fn check(claims: &Claims, issuer: &Issuer) -> Result<(), Fault> {
    if wrong(claims, issuer).next().is_none() { Ok(()) } else { Err(CLAIMS) }
}

/// The names of claims that do not look as the configuration says.
pub(in crate::authn) fn wrong<'i>(
    claims: &Claims,
    issuer: &'i Issuer,
) -> impl Iterator<Item = &'i str> {
    let is_like = |(name, glob): &(Box<str>, Glob)| {
        claims.get(&**name).and_then(Value::as_str).is_some_and(|text| glob.matches(text))
    };
    issuer.allowed_claims.iter().filter(move |it| !is_like(it)).map(|(name, _)| &**name)
}

/// The client that the token was issued to; empty if it does not say.
pub(super) fn client(claims: &Claims) -> Result<&str, Fault> {
    match claims.get("client_id").or_else(|| claims.get("azp")) {
        None => Ok(""),
        Some(Value::String(client)) => Ok(client),
        Some(_) => Err(CLIENT),
    }
}

/// The subject in the claim `named`, and whether it is a client in its own name. Where no other
/// claim than `sub` is asked for, a client needs none to be told by.
pub(super) fn subject<'c>(
    claims: &'c Claims,
    named: &str,
    client: &'c str,
) -> Result<(&'c str, PrincipalKind), Fault> {
    let subject = match claims.get(named) {
        Some(Value::String(subject)) => subject,
        None if named == "sub" => client,
        _ => return Err(SUBJECT),
    };
    match subject {
        "" => Err(SUBJECT),
        subject if subject == client => Ok((subject, PrincipalKind::Service)),
        subject => Ok((subject, PrincipalKind::Person)),
    }
}

/// The scopes that the issuer may grant, of those that stand there.
pub(super) fn scopes(claims: &Claims, issuer: &Issuer) -> Result<Names, Fault> {
    let given = |name: &str| claims.get(name).filter(|scopes| !scopes.is_null());
    let scopes = match issuer.scopes_claims.iter().find_map(|name| given(name)) {
        None => Vec::new(),
        Some(Value::String(list)) => list.split(' ').filter(|scope| !scope.is_empty()).collect(),
        Some(list) => strings(list).ok_or(SCOPES)?,
    };
    let allowed = &issuer.allowed_scopes;
    let may = |scope: &&str| allowed.is_empty() || allowed.iter().any(|glob| glob.matches(scope));
    Ok(scopes.into_iter().filter(may).collect())
}

/// The groups that stand there.
pub(super) fn groups(claims: &Claims, issuer: &Issuer) -> Result<Names, Fault> {
    match claims.get(&*issuer.groups_claim) {
        None | Some(Value::Null) => Ok(Names::default()),
        Some(Value::String(group)) => Ok([&**group].into_iter().collect()),
        Some(list) => Ok(strings(list).ok_or(GROUPS)?.into_iter().collect()),
    }
}

fn strings(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}
