use http::{Extensions, HeaderMap, Uri};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};

use super::*;
use crate::authn::Origin;

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn certificate(names: Vec<SanType>, not_after: i32) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.not_after = date_time_ymd(not_after, 1, 2);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn find(
    trust_domain: &str,
    certificate: Option<&CertificateDer<'static>>,
    memory: Option<&Mutex<Extensions>>,
) -> Result<Arc<Principal>, Refusal> {
    let (headers, uri) = (HeaderMap::new(), Uri::from_static("/mcp"));
    let origin = Origin { scheme: "https", authority: "example.org" };
    let asked = Asked {
        headers: &headers,
        uri: &uri,
        address: None,
        is_proxied: false,
        certificate,
        memory,
        origin,
    };
    Certificates::new(&Mtls { trust_domain: trust_domain.into() }).find(&asked)
}

#[test]
fn a_certificate_is_for_its_spiffe_id_else_for_its_first_dns_name() {
    let id = "spiffe://example.org/agent";
    for (trust_domain, names, subject) in [
        ("", vec![uri(id)], id),
        ("", vec![dns("a.example.org"), uri(id)], id),
        ("example.org", vec![uri("spiffe://EXAMPLE.org/agent")], id),
        ("", vec![dns("A.example.org"), dns("b.example.org")], "a.example.org"),
        ("", vec![uri("https://example.org/"), dns("a.example.org")], "a.example.org"),
    ] {
        let principal = find(trust_domain, Some(&certificate(names, 2100)), None).unwrap();
        let expected = Principal {
            issuer: "urn:portcullis:mtls".into(),
            subject: subject.into(),
            kind: PrincipalKind::Service,
            expires: Some(at(4_102_531_200)),
            ..Principal::default()
        };
        assert_eq!(*principal, expected);
    }
}

#[test]
fn a_certificate_without_one_usable_name_is_refused_with_what_would_be_right() {
    let id = "spiffe://example.org/agent";
    for (trust_domain, names, fault) in [
        ("", vec![], "it needs one URI spiffe://trust-domain/path or a DNS name"),
        ("", vec![uri("https://example.org/")], "it needs one URI"),
        ("", vec![SanType::IpAddress([127, 0, 0, 1].into())], "it needs one URI"),
        ("", vec![dns("*.example.org")], "names nobody"),
        ("", vec![dns("*.example.org"), dns("a.example.org")], "names nobody"),
        ("", vec![uri(id), uri("spiffe://example.org/b")], "may have one URI alone"),
        ("", vec![uri(id), uri("https://example.org/")], "may have one URI alone"),
        ("", vec![uri("spiffe://example.org/x?y"), dns("a.example.org")], "malformed"),
        ("", vec![uri("spiffe://example.org"), dns("a.example.org")], "malformed"),
        ("example.org", vec![dns("example.org")], "has no SPIFFE id"),
        ("example.org", vec![uri("spiffe://example.com/agent")], "another trust domain"),
        ("example.org", vec![uri("spiffe://a.example.org/agent")], "another trust domain"),
    ] {
        let shown = format!("{names:?}");
        let refusal = find(trust_domain, Some(&certificate(names, 2100)), None).unwrap_err();
        assert!(matches!(refusal, Refusal::Unidentified(_)), "{shown}: {refusal}");
        assert!(refusal.to_string().contains(fault), "{shown}: {refusal}");
    }
}

#[test]
fn nothing_that_can_be_read_is_refused() {
    for certificate in [None, Some(CertificateDer::from(b"no certificate".to_vec()))] {
        let refusal = find("", certificate.as_ref(), None).unwrap_err();
        assert!(matches!(refusal, Refusal::Unidentified(_)), "{refusal}");
    }
}

#[test]
fn a_connection_does_not_outlive_its_certificate() {
    let expired = certificate(vec![dns("a.example.org")], 2020);
    let refusal = find("", Some(&expired), None).unwrap_err();
    assert!(refusal.to_string().contains("has expired"), "{refusal}");
}

#[test]
fn a_connection_remembers_who_it_is_from() {
    let memory = Mutex::default();
    let certificate = certificate(vec![dns("a.example.org")], 2100);
    let first = find("", Some(&certificate), Some(&memory)).unwrap();
    let second = find("", Some(&certificate), Some(&memory)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let other = find("", Some(&certificate), Some(&Mutex::default())).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
}
