//! The bearer token of a request (RFC 6750 §2.1).

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::{Asked, Refusal};

const SCHEME: &str = "bearer";

const MISSING: Refusal = Refusal::Missing("send Authorization: Bearer with an access token");

/// The token that a request carries in its one `Authorization` header.
pub(super) fn token<'a>(asked: &Asked<'a>) -> Result<&'a [u8], Refusal> {
    line(asked).and_then(within)
}

/// The value of a request's one `Authorization` header.
pub(super) fn line<'a>(asked: &Asked<'a>) -> Result<&'a [u8], Refusal> {
    let mut lines = asked.headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Refusal::Malformed("there are two Authorization headers; send one"));
    }
    if asked.uri.query().is_some_and(has_token) {
        return Err(Refusal::Malformed(
            "a token in the URL ends up in logs; send it as Authorization: Bearer",
        ));
    }
    first.map(HeaderValue::as_bytes).ok_or(MISSING)
}

/// The token in the value of an `Authorization` header.
pub(super) fn within(line: &[u8]) -> Result<&[u8], Refusal> {
    let (scheme, rest) = line.split_at(line.iter().position(|b| *b == b' ').unwrap_or(line.len()));
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
        return Err(MISSING);
    }
    match rest.trim_ascii() {
        [] => Err(Refusal::Malformed("there is no token behind Bearer")),
        token if is_token(token) => Ok(token),
        _ => Err(Refusal::Malformed("the token has characters that no token has")),
    }
}

/// `access_token` in a query (RFC 6750 §2.3), which OAuth 2.1 has done away with.
fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
}

/// RFC 9110 §11.2, `token68`.
pub(super) fn is_token(token: &[u8]) -> bool {
    let is_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    token.iter().all(is_one)
}
