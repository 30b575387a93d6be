//! What can be told of a token without giving anything away.
//!
//! Times, algorithm and type say nothing about anybody; everything else is of the configuration.

use std::time::SystemTime;

use serde_json::Value;

use crate::authn::Algorithm;
use crate::authn::claims::{self, Check, Claims, Expected};
use crate::authn::jwt::Jwt;
use crate::authn::keys::KeySet;
use crate::config::write_duration;

const NOT_OURS: &str = "the client does not connect to what aggregator.publicUrl, http.allowedHosts \
                        or the listener is called, at an endpoint";

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Token<'t> {
    Jwt(&'t Jwt<'t>, &'t KeySet),
    /// What its issuer says of it.
    Introspected(&'t Claims),
}

impl<'t> Token<'t> {
    fn claims(self) -> &'t Claims {
        match self {
            Self::Jwt(jwt, _) => jwt.claims(),
            Self::Introspected(said) => said,
        }
    }
}

/// What a check looked at.
pub(super) fn details(check: Check, token: Token<'_>, expected: &Expected<'_>) -> String {
    let own = match token {
        Token::Jwt(jwt, keys) => of_jwt(check, jwt, expected, keys),
        Token::Introspected(said) => of_answer(check, said),
    };
    own.unwrap_or_else(|| of_claims(check, token.claims(), expected))
}

/// Where it looks at header and signature.
fn of_jwt(check: Check, jwt: &Jwt<'_>, expected: &Expected<'_>, keys: &KeySet) -> Option<String> {
    let issuer = expected.issuer;
    Some(match check {
        Check::Algorithm => {
            let known = jwt.header("alg").and_then(Algorithm::parse);
            let accepted: Vec<_> = issuer.algorithms.iter().map(|it| it.name()).collect();
            let name = known.map_or("none that is known", Algorithm::name);
            format!("{name}, of {}", accepted.join(" "))
        }
        Check::Type => {
            format!("{}, of {}", plain(jwt.header("typ")), quoted(&issuer.accepted_typ_headers))
        }
        Check::Key => {
            let named = if jwt.header("kid").is_some() { "named" } else { "not named" };
            format!("{named}, of {} that the issuer publishes", keys.len())
        }
        _ => return None,
    })
}

/// Where it looks at what only an issuer says.
fn of_answer(check: Check, said: &Claims) -> Option<String> {
    let typ = said.get("token_type").and_then(Value::as_str);
    (check == Check::Type).then(|| format!("{}, of \"Bearer\" \"access_token\"", plain(typ)))
}

fn of_claims(check: Check, claims: &Claims, expected: &Expected<'_>) -> String {
    let issuer = expected.issuer;
    let when = |name| moment(claims::time(claims, name).ok().flatten(), expected.now);
    match check {
        Check::Issuer => issuer.issuer.to_string(),
        Check::Expiry => when("exp"),
        Check::NotBefore => when("nbf"),
        Check::Issued => when("iat"),
        Check::Audience if !issuer.allowed_audiences.is_empty() => {
            format!("has to be one of {}", quoted(&issuer.allowed_audiences))
        }
        Check::Audience if expected.resource.is_empty() => NOT_OURS.to_owned(),
        Check::Audience => format!("has to be {}", expected.resource),
        Check::Claims => match claims::wrong(claims, issuer).collect::<Vec<_>>() {
            names if names.is_empty() => String::new(),
            names => format!("look at {}", names.join(" ")),
        },
        Check::Subject => format!("from {}", issuer.subject_claim),
        Check::Scopes => format!("from {}", issuer.scopes_claims.join(", else ")),
        Check::Groups => format!("from {}", issuer.groups_claim),
        Check::Header
        | Check::Algorithm
        | Check::Type
        | Check::Key
        | Check::Signature
        | Check::Client => String::new(),
    }
}

fn quoted(texts: &[Box<str>]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" ")
}

/// A type, if nothing in it could do harm on a terminal.
fn plain(typ: Option<&str>) -> &str {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'/' | b'_');
    typ.filter(|typ| typ.len() <= 40 && typ.bytes().all(is_plain)).unwrap_or("none")
}

/// How far a time is from now, in whole seconds.
fn moment(time: Option<SystemTime>, now: SystemTime) -> String {
    let Some(time) = time else { return "none".to_owned() };
    let whole = |seconds| write_duration(std::time::Duration::from_secs(seconds));
    match time.duration_since(now) {
        Ok(ahead) => format!("in {}", whole(ahead.as_secs())),
        Err(past) => format!("{} ago", whole(past.duration().as_secs())),
    }
}
