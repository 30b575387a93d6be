//! SPIFFE ids (the standard "SPIFFE-ID", §2).

const SCHEME: &str = "spiffe://";
const MAX_BYTES: usize = 2048;
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// A workload: `spiffe://trust-domain/path`, scheme and trust domain in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Id {
    text: String,
    trust_domain_end: usize,
}

/// Whether a URI is meant to be one, well-formed or not.
pub(super) fn is_meant(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("spiffe"))
}

impl Id {
    /// `None` if it is malformed, or names a whole trust domain: no workload is that (X509-SVID §5.2).
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let scheme = uri.get(..SCHEME.len())?;
        let (trust_domain, path) = uri[SCHEME.len()..].split_once('/')?;
        let is_well_formed = uri.len() <= MAX_BYTES
            && scheme.eq_ignore_ascii_case(SCHEME)
            && is_trust_domain(trust_domain)
            && path.split('/').all(is_segment);
        is_well_formed.then(|| Self {
            text: format!("{SCHEME}{}/{path}", trust_domain.to_ascii_lowercase()),
            trust_domain_end: SCHEME.len() + trust_domain.len(),
        })
    }

    pub(super) fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..self.trust_domain_end]
    }
}

impl From<Id> for Box<str> {
    fn from(id: Id) -> Self {
        id.text.into()
    }
}

/// Without port and user, as `:` and `@` are not among its characters.
fn is_trust_domain(text: &str) -> bool {
    (1..=MAX_TRUST_DOMAIN_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Without query, fragment and escapes, as `?`, `#` and `%` are not among its characters.
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_trust_domain_in_lower_case_and_a_path_as_it_stands() {
        for (uri, id, domain) in [
            ("spiffe://example.org/agent", "spiffe://example.org/agent", "example.org"),
            ("SPIFFE://Example.ORG/Ns/A_b-c.d", "spiffe://example.org/Ns/A_b-c.d", "example.org"),
            ("spiffe://a_b-1/...", "spiffe://a_b-1/...", "a_b-1"),
        ] {
            let parsed = Id::parse(uri).unwrap();
            assert_eq!(parsed.trust_domain(), domain);
            assert_eq!(Box::<str>::from(parsed), id.into());
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long_domain = format!("spiffe://{}/x", "a".repeat(256));
        let long = format!("spiffe://a/{}", "x".repeat(2048));
        for uri in [
            "",
            "spiffe:",
            "spiffe://",
            "spiffe:///x",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/x/",
            "spiffe://example.org//x",
            "spiffe://example.org/./x",
            "spiffe://example.org/../x",
            "spiffe://example.org/x?y",
            "spiffe://example.org/x#y",
            "spiffe://example.org/%41",
            "spiffe://example.org:443/x",
            "spiffe://user@example.org/x",
            "spiffe://exämple.org/x",
            "spiffe://example.org/ä",
            "spiffe:/example.org/x",
            "https://example.org/x",
            "spiffeä//",
            &long_domain,
            &long,
        ] {
            assert_eq!(Id::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_malformed_id_is_still_meant_to_be_one() {
        for (uri, is_one) in
            [("spiffe:x", true), ("SPIFFE://", true), ("https://spiffe://", false), ("x", false)]
        {
            assert_eq!(is_meant(uri), is_one, "{uri}");
        }
    }
}
