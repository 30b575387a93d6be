//! DNS labels (RFC 1123 §2.1).

/// How long one may be.
pub(crate) const MAX_LABEL: usize = 63;

/// Whether `name` is made of at most 63 lower-case letters, digits and inner hyphens.
pub fn is_dns_label(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= MAX_LABEL
        && name.bytes().all(|b| word(b) || b == b'-')
        && name.bytes().next().is_some_and(word)
        && name.bytes().last().is_some_and(word)
}
