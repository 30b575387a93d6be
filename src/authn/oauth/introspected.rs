//! What an introspection endpoint says of a token (RFC 7662 §2.2), held against what the
//! configuration says of its issuer.
//!
//! `active` is not enough: the issuer has active tokens for others than us.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::authn::Fault;
use crate::authn::identifier::is_same;
use crate::authn::issuers::Introspected;
use crate::authn::jwt::Expected;
use crate::call::{Names, Principal, PrincipalKind};
use crate::config::Glob;

/// Whoever a token is for, if what is said of it will do.
pub(super) fn principal(
    answer: &Introspected,
    expected: &Expected<'_>,
) -> Result<Principal, Fault> {
    let said = Said(answer);
    said.check_type()?;
    said.check_issuer(expected)?;
    said.check_audience(expected)?;
    let expires = said.check_times(expected)?;
    said.check_claims(expected)?;
    let client = said.text("client_id")?.or(said.text("azp")?);
    let (subject, kind) = said.subject(&expected.issuer.subject_claim, client)?;
    Ok(Principal {
        issuer: (*expected.issuer.issuer).into(),
        subject: subject.into(),
        client: client.unwrap_or_default().into(),
        kind,
        scopes: said.scopes(expected)?,
        groups: said.groups(&expected.issuer.groups_claim)?,
        expires,
    })
}

const SHAPE: Fault = Fault::new("claims", "its issuer describes it with members of wrong types");
const TYPE: Fault = Fault::new("type", "it is no bearer access token");
const ISSUER: Fault = Fault::new("issuer", "it is from another issuer than the one that knows it");
const AUDIENCE: Fault = Fault::new(
    "audience",
    "it was not issued for this endpoint; ask for a token with its address as resource",
);
const EXPIRED: Fault = Fault::new("expired", "it has expired; get a new one");
const EARLY: Fault = Fault::new("early", "it is not valid yet; is a clock wrong?");
const CLAIMS: Fault = Fault::new("claims", "it has not the claims that are asked for");
const SUBJECT: Fault = Fault::new("subject", "it does not say who it is for");

/// The members of an answer. A member of another type than it has to be is never taken for one
/// that is not there.
struct Said<'a>(&'a Introspected);

impl<'a> Said<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SHAPE),
        }
    }

    /// One text or a list of them.
    fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text])),
            Some(Value::Array(list)) => {
                list.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or(SHAPE)
            }
            Some(_) => Err(SHAPE),
        }
    }

    /// Seconds since 1970 (RFC 7519 §2, `NumericDate`), with or without a fraction.
    fn time(&self, name: &str) -> Result<Option<SystemTime>, Fault> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let since = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        since.and_then(|since| UNIX_EPOCH.checked_add(since)).map(Some).ok_or(SHAPE)
    }

    /// It may be a refresh token, or one that is worth nothing without a key that it is bound to.
    fn check_type(&self) -> Result<(), Fault> {
        let is_one =
            |typ: &str| ["Bearer", "access_token"].iter().any(|it| it.eq_ignore_ascii_case(typ));
        match self.text("token_type")? {
            Some(typ) if !is_one(typ) => Err(TYPE),
            _ => Ok(()),
        }
    }

    fn check_issuer(&self, expected: &Expected<'_>) -> Result<(), Fault> {
        match self.text("iss")? {
            Some(issuer) if *issuer != *expected.issuer.issuer => Err(ISSUER),
            _ => Ok(()),
        }
    }

    /// An answer without an audience is refused: nothing else says that the token is for us.
    fn check_audience(&self, expected: &Expected<'_>) -> Result<(), Fault> {
        let allowed = &expected.issuer.allowed_audiences;
        let is_ours = |audience: &&str| match &allowed[..] {
            [] => is_same(audience, expected.resource),
            allowed => allowed.iter().any(|it| **it == **audience),
        };
        let audiences = self.texts("aud")?.unwrap_or_default();
        if audiences.iter().any(is_ours) { Ok(()) } else { Err(AUDIENCE) }
    }

    /// When it expires, if that is known: the issuer says that it is active.
    fn check_times(&self, expected: &Expected<'_>) -> Result<Option<SystemTime>, Fault> {
        let Expected { leeway, now, .. } = *expected;
        let expires = self.time("exp")?;
        // Not added to what may be at the end of time.
        if expires.is_some_and(|expires| expires <= now - leeway) {
            return Err(EXPIRED);
        }
        for name in ["nbf", "iat"] {
            if self.time(name)?.is_some_and(|from| from > now + leeway) {
                return Err(EARLY);
            }
        }
        Ok(expires)
    }

    fn check_claims(&self, expected: &Expected<'_>) -> Result<(), Fault> {
        let mut claims = expected.issuer.allowed_claims.iter();
        let holds = |(name, glob): &(Box<str>, Glob)| {
            self.0.get(&**name).and_then(Value::as_str).is_some_and(|text| glob.matches(text))
        };
        if claims.all(holds) { Ok(()) } else { Err(CLAIMS) }
    }

    fn scopes(&self, expected: &Expected<'_>) -> Result<Names, Fault> {
        let allowed = &expected.issuer.allowed_scopes;
        let is_believed =
            |scope: &&str| allowed.is_empty() || allowed.iter().any(|glob| glob.matches(scope));
        for name in &expected.issuer.scopes_claims {
            if let Some(scopes) = self.texts(name)? {
                let scopes = scopes.into_iter().flat_map(|text| text.split(' '));
                let scopes = scopes.filter(|scope| !scope.is_empty());
                return Ok(scopes.filter(is_believed).collect());
            }
        }
        Ok(Names::default())
    }

    /// The name of a group may have spaces in it.
    fn groups(&self, claim: &str) -> Result<Names, Fault> {
        let groups = self.texts(claim)?.unwrap_or_default();
        Ok(groups.into_iter().filter(|group| !group.is_empty()).collect())
    }

    /// Who it is for: what the claim says, else a person's name, else the client itself.
    ///
    /// A person without the claim must not be taken for the client: all its users would be one.
    fn subject(
        &self,
        claim: &str,
        client: Option<&'a str>,
    ) -> Result<(&'a str, PrincipalKind), Fault> {
        let mut named = self.text(claim)?;
        if named.is_none() {
            let person = self.text("sub")?.or(self.text("username")?);
            named = person.filter(|person| Some(*person) != client);
            // Whoever has chosen another claim wants no other name.
            if named.is_some() && claim != "sub" {
                return Err(SUBJECT);
            }
        }
        let subject = named.or(client).filter(|subject| !subject.is_empty()).ok_or(SUBJECT)?;
        let is_client = Some(subject) == client;
        Ok((subject, if is_client { PrincipalKind::Service } else { PrincipalKind::Person }))
    }
}

#[cfg(test)]
mod tests;
