//! Resource identifiers (RFC 8707 §2).

/// Whether two identifiers mean the same (RFC 3986 §6.2.2.1, §6.2.3): case means nothing in scheme
/// and host, nor does a default port, and everything else has to be equal.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (split(one), split(other)) else { return false };
    one.scheme.eq_ignore_ascii_case(other.scheme)
        && one.authority.eq_ignore_ascii_case(other.authority)
        && one.rest == other.rest
}

struct Parts<'a> {
    scheme: &'a str,
    authority: &'a str,
    rest: &'a str,
}

fn split(identifier: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = identifier.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default).unwrap_or(authority);
    Some(Parts { scheme, authority, rest })
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
            ("https://gate.example:443/mcp", true),
            ("https://gate.example:80/mcp", false),
            ("http://gate.example/mcp", false),
            ("gate.example/mcp", false),
            ("", false),
        ] {
            assert_eq!(is_same(audience, "https://gate.example/mcp"), same, "{audience}");
        }
        assert!(!is_same("", ""));
    }
}
