//! Whom a token is for (RFC 7519 §4.1.3, RFC 8707 §2).

use serde_json::Value;

use super::{Claims, Expected};
use crate::authn::Fault;
use crate::authn::identifier::is_same;

const AUDIENCE: Fault = Fault::new(
    "audience",
    "the token is not for this resource; ask for one with this resource, or whose aud is one of \
     allowedAudiences",
);
const TYPE: Fault =
    Fault::new("audience", "the token needs the claim aud, a string or a list of strings");

/// One of the audiences has to be ours.
pub(super) fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    let audiences = match claims.get("aud") {
        Some(Value::Array(list)) if !list.is_empty() => list.as_slice(),
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        _ => return Err(TYPE),
    };
    let texts: Option<Vec<&str>> = audiences.iter().map(Value::as_str).collect();
    let is_ours = texts.ok_or(TYPE)?.into_iter().any(|audience| is_ours(audience, expected));
    if is_ours { Ok(()) } else { Err(AUDIENCE) }
}

fn is_ours(audience: &str, expected: &Expected<'_>) -> bool {
    match &*expected.issuer.allowed_audiences {
        [] => is_same(audience, expected.resource),
        allowed => allowed.iter().any(|allowed| **allowed == *audience),
    }
}
