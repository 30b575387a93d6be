//! The way of a token with nobody to ask: what fuzzing and its tests drive.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};

use super::claims::{Disbelief, Expected};
use super::jwt::Jwt;
use super::keys::KeySet;
use super::{Asked, Config, Issuer, Origin, Refusal, bearer};
use crate::call::Principal;

/// Who a token is for, in a header `Authorization` of this value, if `issuer` has only the keys of
/// this JWK Set and the token is for `resource`. A document that is no JWK Set has no keys.
///
/// # Errors
/// Why a request with it would be refused.
pub fn try_token(
    authorization: &[u8],
    issuer: &Issuer,
    jwks: &[u8],
    resource: &str,
    now: SystemTime,
) -> Result<Principal, Refusal> {
    let line = HeaderValue::from_bytes(authorization)
        .map_err(|_| Refusal::Malformed("it is no value of a header"))?;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, line)]);
    let asked = Asked {
        headers: &headers,
        uri: &Uri::from_static("/mcp"),
        address: None,
        is_proxied: false,
        certificate: None,
        memory: None,
        origin: Origin { scheme: "http", authority: "localhost" },
    };
    let jwt = Jwt::read(bearer::token(&asked)?).map_err(Refusal::Invalid)?;
    let expected = Expected { issuer, resource, leeway: Config::default().leeway, now };
    let keys = KeySet::parse(jwks).unwrap_or_default();
    let found = jwt.verify(&expected, &keys);
    found.map_err(|disbelief: Disbelief| Refusal::Invalid(disbelief.into_fault(issuer)))
}
