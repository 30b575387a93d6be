//! What a client connected to, as far as its request and the proxies before us tell.
//!
//! Anybody can write any `Host`, so this names the gateway to whoever asks and proves nothing:
//! whether a token may be for it, [`crate::authn::Resources`] decides.

use http::header::HOST;
use http::{HeaderMap, HeaderName, Request};

use super::client_address::ClientAddress;
use super::forwarded;
use crate::authn::Origin;
use crate::config::is_authority;
use crate::server::Peer;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the client connected to: what a trusted proxy says, else what the request itself says.
pub fn origin<B>(request: &Request<B>) -> Origin<'_> {
    let headers = request.headers();
    let is_proxied = ClientAddress::of(request).is_some_and(|it| it.is_proxied);
    let (host, scheme) = if is_proxied { told(headers) } else { (None, None) };
    let is_tls = request.extensions().get::<Peer>().is_some_and(Peer::is_tls);
    let named = || {
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let host = || headers.get(HOST).and_then(|host| host.to_str().ok());
        authority.or_else(host).filter(|host| is_authority(host))
    };
    Origin {
        scheme: scheme.unwrap_or(if is_tls { "https" } else { "http" }),
        authority: host.or_else(named).unwrap_or_default(),
    }
}

/// Host and scheme as the proxy next to us says them. One that writes `X-Forwarded-*` may pass a
/// client's `Forwarded` on, and the other way round: where both say something, it has to be the
/// same.
fn told(headers: &HeaderMap) -> (Option<&str>, Option<&'static str>) {
    let said = forwarded::said(headers);
    let host = agreed(said.host, forwarded::last(headers, &X_FORWARDED_HOST));
    let proto = agreed(said.proto, forwarded::last(headers, &X_FORWARDED_PROTO));
    (host.filter(|host| is_authority(host)), proto.and_then(scheme))
}

fn agreed<'h>(one: Option<&'h [u8]>, other: Option<&'h [u8]>) -> Option<&'h str> {
    let said = match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other).then_some(one),
        (one, other) => one.or(other),
    };
    std::str::from_utf8(said?).ok()
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| scheme.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const XH: &str = "x-forwarded-host";
    const XP: &str = "x-forwarded-proto";
    const F: &str = "forwarded";

    fn request(lines: &[(&str, &[u8])], is_proxied: bool) -> Request<()> {
        let mut request = Request::get("/mcp").header(HOST, "gate.internal:8090");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        request.extensions_mut().insert(ClientAddress { address, is_proxied });
        request
    }

    #[test]
    fn a_trusted_proxy_says_what_the_client_connected_to() {
        const OWN: (&str, &str) = ("http", "gate.internal:8090");
        for (name, lines, (scheme, authority)) in [
            ("nothing", &[][..], OWN),
            ("a host", &[(XH, "gate.example")][..], ("http", "gate.example")),
            ("a scheme", &[(XP, "HTTPS")], ("https", OWN.1)),
            ("both", &[(XH, "gate.example:8443"), (XP, "https")], ("https", "gate.example:8443")),
            (
                "the standard",
                &[(F, "for=1.1.1.1;Host=gate.example;proto=https")],
                ("https", "gate.example"),
            ),
            (
                "quoted",
                &[(F, "host=\"[2001:db8::1]:443\";proto=\"https\"")],
                ("https", "[2001:db8::1]:443"),
            ),
            (
                "a list",
                &[(XH, "evil.example, gate.example"), (XP, "http,https,")],
                ("https", "gate.example"),
            ),
            ("two lines", &[(XH, "evil.example"), (XH, "gate.example")], ("http", "gate.example")),
            ("elements", &[(F, "host=evil.example, host=gate.example")], ("http", "gate.example")),
            (
                "the client's quotation mark",
                &[(F, "host=\", host=gate.example")],
                ("http", "gate.example"),
            ),
            (
                "both agree",
                &[(XH, "Gate.example"), (F, "host=gate.example")],
                ("http", "gate.example"),
            ),
            ("they disagree", &[(XH, "gate.example"), (F, "host=evil.example")], OWN),
            (
                "schemes disagree",
                &[(XP, "https"), (F, "proto=http;host=gate.example")],
                ("http", "gate.example"),
            ),
            (
                "the other says nothing of it",
                &[(XH, "gate.example"), (F, "for=1.1.1.1")],
                ("http", "gate.example"),
            ),
            ("empty", &[(XH, ""), (XP, "")], OWN),
            ("empty beside the standard", &[(XH, ""), (F, "host=gate.example")], OWN),
            ("no host", &[(XH, "https://gate.example")], OWN),
            ("a path", &[(XH, "gate.example/mcp")], OWN),
            ("a user", &[(XH, "x@gate.example")], OWN),
            ("a quotation mark", &[(XH, "gate.example\" x=\"y")], OWN),
            ("markup", &[(XH, "<script>")], OWN),
            ("a broken port", &[(XH, "gate.example:99999")], OWN),
            ("no scheme of ours", &[(XP, "javascript")], OWN),
            ("two hosts in one element", &[(F, "host=a.example;host=b.example")], OWN),
            ("an escape", &[(F, "host=\"gate\\.example\"")], OWN),
            ("an unbalanced element", &[(F, "host=\"gate.example")], OWN),
            ("nonsense in the element", &[(F, "host=gate.example;nonsense")], OWN),
        ] {
            let lines: Vec<_> =
                lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let expected = Origin { scheme, authority };
            assert_eq!(origin(&request(&lines, true)), expected, "{name}");
            let own = Origin { scheme: OWN.0, authority: OWN.1 };
            assert_eq!(origin(&request(&lines, false)), own, "{name}, from a stranger");
        }
        let long = "a".repeat(10_000);
        for bytes in [long.as_bytes(), b"g\xc3\xa4te", b"\xff", &[b','; 10_000]] {
            assert_eq!(origin(&request(&[(XH, bytes)], true)).authority, OWN.1);
        }
    }

    #[test]
    fn without_a_proxy_the_request_itself_says_it() {
        for (uri, host, authority) in [
            ("/mcp", Some("localhost:8090"), "localhost:8090"),
            ("http://localhost:1/mcp", None, "localhost:1"),
            ("/mcp", Some("a b"), ""),
            ("/mcp", Some("a\"b"), ""),
            ("/mcp", None, ""),
        ] {
            let mut request = Request::get(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let request = request.body(()).unwrap();
            assert_eq!(origin(&request), Origin { scheme: "http", authority }, "{uri} {host:?}");
        }
    }
}
