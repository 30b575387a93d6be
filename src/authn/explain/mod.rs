//! What there is to say about a token, for whoever wonders why it gets nobody in.

mod details;
mod explanation;
mod report;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::claims::Expected;
use super::issuers::Server;
use super::jwt::Jwt;
use super::tokens::Tokens;
use super::{Config, Issuer, Mode, Surroundings, bearer, introspected};
use crate::call::Names;

pub use explanation::Explanation;

/// What tokens are checked against besides `auth`.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The scopes that everybody needs.
    pub required: &'a Names,
    /// The resource identifier of the endpoint that is called; none if it is called by a name that
    /// is not the gateway's.
    pub resource: Option<&'a str>,
    /// The time.
    pub now: SystemTime,
}

/// Says what a token would come to, check by check, and goes on after a failure where that makes
/// sense. Nothing of the token is repeated but times, algorithm and type.
pub async fn explain(
    token: &[u8],
    config: &Config,
    against: Against<'_>,
    around: &Surroundings,
) -> Explanation {
    match config.mode {
        Mode::Oauth | Mode::Tokens if !bearer::is_token(token) => {
            let mut explanation = Explanation::default();
            let why = "a token has letters, digits and -._~+/= only; paste it alone, on one line";
            explanation.failed("shape", "characters that no token has", why);
            explanation
        }
        Mode::Oauth if Jwt::is_one(token) => jwt(token, config, against, around).await,
        Mode::Oauth => opaque(token, config, against, around).await,
        Mode::Tokens => known(token, config, against.required),
        Mode::None => Explanation::without_token("none", "everybody may come in without one", true),
        Mode::Header => {
            let way = "headers of a trusted proxy say who calls";
            Explanation::without_token("header", way, false)
        }
        Mode::Mtls => {
            Explanation::without_token("mtls", "client certificates say who calls", false)
        }
    }
}

async fn jwt(
    token: &[u8],
    config: &Config,
    against: Against<'_>,
    around: &Surroundings,
) -> Explanation {
    let mut explanation = Explanation::default();
    let jwt = match Jwt::read(token) {
        Ok(jwt) => jwt,
        Err(fault) => {
            explanation.failed("shape", "", fault.message);
            return explanation;
        }
    };
    explanation.passed("shape", "a JSON Web Token");
    let is_of = |issuer: &&Issuer| jwt.issuer() == Some(&*issuer.issuer);
    let Some(issuer) = config.issuers.iter().find(is_of) else {
        let known: Vec<&str> = config.issuers.iter().map(|issuer| &*issuer.issuer).collect();
        let details = format!("none of {}", known.join(", "));
        let why = "its iss has to be one of auth.issuers, byte for byte";
        explanation.failed("issuer", details, why);
        return explanation;
    };
    let server = Server::start(issuer, config.jwks, around);
    let keys = if let Ok(keys) = server.keys() { Ok(keys) } else { server.renewed_keys().await };
    let expected = expected(issuer, config, against);
    let keys = keys.unwrap_or_else(|unavailable| {
        explanation.failed("keys", unreachable(unavailable.retry_after), UNREACHABLE);
        Arc::default()
    });
    report::jwt(&mut explanation, &jwt, &expected, &keys, against.required);
    explanation
}

fn expected<'a>(issuer: &'a Issuer, config: &Config, against: Against<'a>) -> Expected<'a> {
    let Against { resource, now, .. } = against;
    // No audience is ours where nobody can tell our own address.
    Expected { issuer, resource: resource.unwrap_or_default(), leeway: config.leeway, now }
}

const UNREACHABLE: &str =
    "what cannot be checked gets 503 until the issuer answers; see whether it can be reached";

fn unreachable(retry_after: Duration) -> String {
    format!("the issuer does not answer; the gateway would ask again in {}s", retry_after.as_secs())
}

/// A token that only its issuer can read: of several, the first that knows it decides.
async fn opaque(
    token: &[u8],
    config: &Config,
    against: Against<'_>,
    around: &Surroundings,
) -> Explanation {
    let mut explanation = Explanation::default();
    let asked: Vec<&Issuer> =
        config.issuers.iter().filter(|issuer| issuer.introspection.is_some()).collect();
    if asked.is_empty() {
        let why =
            "it is no JSON Web Token, and none of auth.issuers has introspection to ask about it";
        explanation.failed("shape", "", why);
    }
    for issuer in asked {
        let server = Server::start(issuer, config.jwks, around);
        match server.introspect(token.to_vec()).await {
            Ok(Some(answer)) => {
                // It is of one issuer only.
                explanation.forgive_earlier("active");
                explanation.passed("active", format!("says {}", issuer.issuer));
                let (said, expected) =
                    (introspected::said(&answer), expected(issuer, config, against));
                report::answer(&mut explanation, &said, &expected, against.required);
                break;
            }
            Ok(None) => {
                let why = "the issuer does not know it, or has revoked it; get a new one";
                explanation.failed("active", format!("says {}", issuer.issuer), why);
            }
            Err(unavailable) => {
                explanation.failed("active", unreachable(unavailable.retry_after), UNREACHABLE);
            }
        }
    }
    explanation
}

/// A static token.
fn known(token: &[u8], config: &Config, required: &Names) -> Explanation {
    let mut explanation = Explanation::default();
    if let Ok(principal) = Tokens::new(&config.tokens).find(token) {
        explanation.passed("token", format!("{} of auth.tokens", principal.subject));
        report::required(&mut explanation, required, &principal.scopes);
    } else {
        let why = "its digest is none of auth.tokens[].sha256; `portcullis token new NAME` makes \
                   one and prints the line to paste";
        explanation.failed("token", "", why);
    }
    explanation
}

#[cfg(test)]
mod tests;
