//! Whom a token is for (RFC 7519 §4.1.3, RFC 8707 §2).

use serde_json::{Map, Value};

use super::Expected;
use crate::authn::Fault;

const AUDIENCE: Fault = Fault::new(
    "audience",
    "the token is not for this resource; ask for one with this resource, or whose aud is one of \
     allowedAudiences",
);
const TYPE: Fault =
    Fault::new("audience", "the token needs the claim aud, a string or a list of strings");

/// One of the audiences has to be ours.
pub(super) fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Fault> {
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
        [] => is_same_resource(audience, expected.resource),
        allowed => allowed.iter().any(|allowed| **allowed == *audience),
    }
}

/// Byte for byte, but for scheme and host, in which case means nothing (RFC 3986 §6.2.2.1).
fn is_same_resource(one: &str, other: &str) -> bool {
    let ((one, path), (other, other_path)) = (origin_and_path(one), origin_and_path(other));
    !other.is_empty() && one.eq_ignore_ascii_case(other) && path == other_path
}

fn origin_and_path(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url[authority..].find(['/', '?', '#']).map_or(url.len(), |path| authority + path);
    url.split_at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_means_nothing_in_scheme_and_host_alone() {
        for (audience, same) in [
            ("https://gate.example/mcp", true),
            ("HTTPS://Gate.Example/mcp", true),
            ("https://gate.example/MCP", false),
            ("https://gate.example/mcp/", false),
            ("https://gate.example", false),
            ("https://gate.example/mcp?x", false),
            ("https://gate.example:443/mcp", false),
            ("http://gate.example/mcp", false),
            ("gate.example/mcp", false),
            ("", false),
        ] {
            assert_eq!(is_same_resource(audience, "https://gate.example/mcp"), same, "{audience}");
        }
        assert!(!is_same_resource("", ""));
    }
}
