//! The one name, of those in a certificate, that it is known by.

use rustls_pki_types::DnsName;
use x509_parser::extensions::GeneralName;

use super::spiffe;
use crate::authn::Refusal;

/// What a certificate without a name that helps gets.
pub(super) const NONE: Refusal = Refusal::Unidentified(
    "the client certificate names nobody; it needs one URI spiffe://trust-domain/path or a DNS \
     name among its subject alternative names",
);

/// The SPIFFE id, else the first DNS name. With a `trust_domain` only an id in it will do.
pub(super) fn subject(names: &[GeneralName<'_>], trust_domain: &str) -> Result<Box<str>, Refusal> {
    let uris = || {
        names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
    };
    // What cannot be read may be a second URI.
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(Refusal::Unidentified(
            "the client certificate has a malformed subject alternative name",
        ));
    }
    if uris().any(spiffe::is_meant) {
        let mut uris = uris();
        // X509-SVID §2: more than one, and nobody can tell which of them was meant.
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(Refusal::Unidentified(
                "the client certificate has a SPIFFE id and other URIs; it may have one URI alone",
            ));
        };
        let id = spiffe::Id::parse(uri).ok_or(Refusal::Unidentified(
            "the client certificate has a malformed SPIFFE id; it has to be \
             spiffe://trust-domain/path without port, user, query, fragment and escapes",
        ))?;
        if !trust_domain.is_empty() && id.trust_domain() != trust_domain {
            return Err(Refusal::Unidentified(
                "the SPIFFE id in the client certificate is of another trust domain than \
                 auth.mtls.trustDomain",
            ));
        }
        return Ok(id.into());
    }
    if !trust_domain.is_empty() {
        return Err(Refusal::Unidentified(
            "the client certificate has no SPIFFE id, and auth.mtls.trustDomain asks for one",
        ));
    }
    let dns = names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let name = DnsName::try_from(dns.ok_or(NONE)?).map_err(|_| {
        Refusal::Unidentified(
            "the first DNS name in the client certificate names nobody: it is a pattern, or no name",
        )
    })?;
    Ok(name.as_ref().to_ascii_lowercase().into())
}
