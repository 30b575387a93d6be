//! The host that a listener binds.

use std::fmt;
use std::net::IpAddr;

/// The host part of a listener's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Both loopback addresses: clients disagree about which one `localhost` is.
    Localhost,
    /// One address; `0.0.0.0` and `::` are all of them.
    Ip(IpAddr),
    /// A name that is looked up when the listener binds.
    Name(String),
}

impl Host {
    /// Reads `localhost`, an address (with or without brackets), or a host name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if text.eq_ignore_ascii_case("localhost") {
            return Some(Self::Localhost);
        }
        if let Ok(ip) = bare.parse() {
            return Some(Self::Ip(ip));
        }
        let name = text.len() <= 253
            && text.split('.').all(is_label)
            && !text.split('.').all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        name.then(|| Self::Name(text.to_owned()))
    }

    /// Whether only this machine can reach it. A name is not, whatever it resolves to today.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Localhost => true,
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Name(_) => false,
        }
    }

    /// Whether two listeners on the same port would be in each other's way.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let any = |host: &Self| matches!(host, Self::Ip(ip) if ip.is_unspecified());
        let both_loopback = matches!(
            (self, other),
            (Self::Localhost, host) | (host, Self::Localhost)
                if host.is_loopback()
        );
        self == other || any(self) || any(other) || both_loopback
    }
}

fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 63
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// As it stands in a URL: an IPv6 address has brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Localhost => f.write_str("localhost"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_and_known_to_be_loopback() {
        for (text, written, loopback) in [
            ("localhost", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.8.0.1", "127.8.0.1", true),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("::ffff:127.0.0.1", "[::ffff:127.0.0.1]", true),
            ("0.0.0.0", "0.0.0.0", false),
            ("::", "[::]", false),
            ("gateway.example.com", "gateway.example.com", false),
            ("localhost.example.com", "localhost.example.com", false),
        ] {
            let host = Host::parse(text).expect(text);
            assert_eq!((host.to_string().as_str(), host.is_loopback()), (written, loopback));
        }
        for text in ["", "a b", "http://x", "localhost:8090", "1.2.3", "*"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }
}
