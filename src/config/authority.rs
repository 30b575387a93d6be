//! `host[:port]` as requests name it, and the hosts that are ours.

use std::net::{IpAddr, Ipv6Addr};

/// The longest name of a host (RFC 1035 §2.3.4), a colon and a port.
const MAX_AUTHORITY: usize = 253 + 1 + 5;

/// The host with its brackets, and the port; `None` if the port is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // A colon behind which no bracket closes: those of an IPv6 address are within.
    let last = authority.bytes().rposition(|b| matches!(b, b':' | b']'));
    match last.map(|at| authority.split_at(at)) {
        Some((host, port)) if port.starts_with(':') => {
            let digits = &port[1..];
            let port = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
            Some((host, Some(port?)))
        }
        _ => Some((authority, None)),
    }
}

/// Whether `text` is a host, perhaps with a port, and nothing else: it can stand in a URL, a header
/// and JSON as it is.
pub(crate) fn is_authority(text: &str) -> bool {
    let Some((host, _)) = split_port(text) else { return false };
    let is_host = if let Some(rest) = host.strip_prefix('[') {
        rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    } else {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        !host.is_empty() && host.bytes().all(plain)
    };
    is_host && text.len() <= MAX_AUTHORITY
}

/// Whether `host[:port]` is a name or an address of this machine alone.
pub(crate) fn is_loopback_authority(authority: &str) -> bool {
    let Some((host, _)) = split_port(authority) else { return false };
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    without_brackets(host).parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The hosts that are ours, whatever others call themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    is_loopback: bool,
    port: Option<u16>,
    listed: Box<[String]>,
}

impl Hosts {
    /// `is_loopback` tells whether only this machine can connect; `listed` are `name` (any port) or
    /// `name:port`.
    pub(crate) fn new(is_loopback: bool, listed: Vec<String>) -> Self {
        Self { is_loopback, port: None, listed: listed.into() }
    }

    /// The same where a name of loopback counts with this port alone, if it is not 0: another port
    /// of this machine is somebody else.
    #[must_use]
    pub(crate) fn at_port(self, port: u16) -> Self {
        Self { port: Some(port).filter(|port| *port != 0), ..self }
    }

    /// Whether only this machine can connect.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Whether none is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether `host[:port]` is one of them: it is listed, or a name of loopback where that is what
    /// we listen on. Case means nothing.
    pub(crate) fn contains(&self, authority: &str) -> bool {
        let (host, port) = split_port(authority).unwrap_or((authority, None));
        if self.is_loopback && is_loopback_authority(authority) && self.is_at(port) {
            return true;
        }
        let host = without_brackets(host);
        self.listed.iter().any(|entry| {
            entry.eq_ignore_ascii_case(authority)
                || without_brackets(entry).eq_ignore_ascii_case(host)
        })
    }

    /// Whether that is our port; no port is the one of `http` or `https`.
    fn is_at(&self, port: Option<u16>) -> bool {
        self.port.is_none_or(|ours| port.map_or(matches!(ours, 80 | 443), |port| port == ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_authorities_are_names_and_addresses_of_this_machine() {
        for (authority, loopback) in [
            ("localhost", true),
            ("LocalHost:8090", true),
            ("127.0.0.1:1", true),
            ("127.9.9.9", true),
            ("[::1]:8090", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("localhost.evil.example", false),
            ("evil.example:8090", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:", false),
            ("localhost:80a", false),
            ("localhost:+80", false),
            ("localhost:99999", false),
            ("user@localhost", false),
            ("[::2]", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_authority(authority), loopback, "{authority:?}");
        }
    }

    #[test]
    fn an_authority_is_a_host_with_or_without_a_port() {
        for text in ["a", "gate.example", "Gate.Example:8443", "10.0.0.1:1", "[2001:db8::1]:443"] {
            assert!(is_authority(text), "{text}");
        }
        let long = "a".repeat(260);
        for text in [
            "",
            ":80",
            "gate.example:",
            "gate.example:http",
            "gate.example:99999",
            "user@gate.example",
            "gate.example/path",
            "gate.example?x",
            "gate.example#x",
            "gate.example\"",
            "gate.example\\",
            "gate.example, other.example",
            "gate example",
            "gate.example\r\nx: y",
            "<script>",
            "%67ate.example",
            "gäte.example",
            "[::1",
            "::1",
            "[gate.example]",
            "[fe80::1%25eth0]",
            &long,
        ] {
            assert!(!is_authority(text), "{text}");
        }
    }
}
