//! What can be told of a token without giving anything away.
//!
//! Times, algorithm and type say nothing about anybody; everything else is of the configuration.

use std::time::SystemTime;

use crate::authn::Algorithm;
use crate::authn::jwt::{Check, Expected, Jwt};
use crate::authn::keys::KeySet;
use crate::config::write_duration;

/// What a check looked at.
pub(super) fn details(
    check: Check,
    jwt: &Jwt<'_>,
    expected: &Expected<'_>,
    keys: &KeySet,
) -> String {
    let issuer = expected.issuer;
    match check {
        Check::Algorithm => {
            let known = jwt.header("alg").and_then(Algorithm::parse);
            let accepted: Vec<_> = issuer.algorithms.iter().map(|it| it.name()).collect();
            let name = known.map_or("none that is known", Algorithm::name);
            format!("{name}, of {}", accepted.join(" "))
        }
        Check::Type => {
            let typ = jwt.header("typ").filter(|typ| is_plain(typ)).unwrap_or("none");
            format!("{typ}, of {}", quoted(&issuer.accepted_typ_headers))
        }
        Check::Issuer => issuer.issuer.to_string(),
        Check::Expiry => moment(jwt.time("exp"), expected.now),
        Check::NotBefore => moment(jwt.time("nbf"), expected.now),
        Check::Issued => moment(jwt.time("iat"), expected.now),
        Check::Key => {
            let named = if jwt.header("kid").is_some() { "named" } else { "not named" };
            format!("{named}, of {} that the issuer publishes", keys.len())
        }
        Check::Audience if issuer.allowed_audiences.is_empty() => {
            format!("has to be {}", expected.resource)
        }
        Check::Audience => format!("has to be one of {}", quoted(&issuer.allowed_audiences)),
        Check::Claims => match jwt.wrong_claims(issuer) {
            names if names.is_empty() => String::new(),
            names => format!("look at {}", names.join(" ")),
        },
        Check::Subject => format!("from {}", issuer.subject_claim),
        Check::Scopes => format!("from {}", issuer.scopes_claims.join(", else ")),
        Check::Groups => format!("from {}", issuer.groups_claim),
        Check::Header | Check::Signature | Check::Client => String::new(),
    }
}

fn quoted(texts: &[Box<str>]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" ")
}

/// Nothing but a media type can be sent to a terminal.
fn is_plain(typ: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'/');
    typ.len() <= 40 && typ.bytes().all(plain)
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
