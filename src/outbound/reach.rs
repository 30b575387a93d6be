//! Which addresses may be connected to, where somebody else may have named the host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a destination may have. They are looked at between resolving its name and
/// connecting, so that a name cannot mean one address when it is checked and another when it is
/// used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Any: whoever operates the gateway has named the host.
    #[default]
    Anywhere,
    /// Those of the Internet.
    Internet,
    /// Those of private networks and of this machine as well.
    PrivateToo,
    /// Those of this machine alone.
    Loopback,
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Anybody's server.
    Internet,
    /// Servers of one network: RFC 1918, RFC 4193, carrier-grade NAT (RFC 6598), benchmarks.
    Private,
    /// This machine.
    Loopback,
    /// One link, where clouds have the service that hands out their credentials.
    LinkLocal,
    /// The same service at an address of its own.
    Metadata,
    /// No server: unspecified, multicast, broadcast, documentation, not assigned.
    Unusable,
}

impl Reach {
    /// Whether a destination may be at an address of that kind.
    pub(super) fn allows(self, kind: AddressKind) -> bool {
        use AddressKind::{Internet, Loopback, Private};
        match self {
            Self::Anywhere => true,
            Self::Internet => kind == Internet,
            Self::PrivateToo => matches!(kind, Internet | Private | Loopback),
            Self::Loopback => kind == Loopback,
        }
    }
}

impl AddressKind {
    /// What `address` is for, whichever way an IPv4 address is written in an IPv6 one.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded(address).map_or_else(|| of_v6(address), of_v4),
        }
    }
}

/// IANA, IPv4 Special-Purpose Address Registry.
fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [127, ..] => AddressKind::Loopback,
        [169, 254, ..] => AddressKind::LinkLocal,
        // Alibaba's, Oracle's, Azure's.
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => AddressKind::Metadata,
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [198, 18..=19, ..] => AddressKind::Private,
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => AddressKind::Unusable,
        _ => AddressKind::Internet,
    }
}

/// IANA, IPv6 Special-Purpose Address Registry; what is not handed out yet is of no use.
fn of_v6(address: Ipv6Addr) -> AddressKind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Amazon's, Google's.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => {
            AddressKind::Metadata
        }
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => AddressKind::Private,
        // Teredo and what else is no server's, documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressKind::Unusable,
        [0x2000..=0x3fff, ..] => AddressKind::Internet,
        _ => AddressKind::Unusable,
    }
}

/// The IPv4 address that a packet to this one reaches: mapped and compatible (RFC 4291 §2.5.5),
/// translated (RFC 7915), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internet => "an address of the Internet",
            Self::Private => "a private address",
            Self::Loopback => "an address of this machine",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Unusable => "no address of a server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_of_one_kind_however_it_is_written() {
        use AddressKind::{Internet, LinkLocal, Loopback, Metadata, Private, Unusable};
        for (addresses, kind) in [
            ("1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 2606:4700::1111 2a00::1", Internet),
            ("::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1", Internet),
            ("10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1", Private),
            ("fc00::1 fd12:3456::1 fec0::1 ::ffff:10.0.0.1 ::10.0.0.1", Private),
            ("64:ff9b::192.168.0.1 2002:c0a8:1::1 ::ffff:0:10.0.0.1", Private),
            ("127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1", Loopback),
            ("169.254.169.254 fe80::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe", LinkLocal),
            ("100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254", Metadata),
            ("0.0.0.0 0.1.2.3 224.0.0.1 255.255.255.255 240.0.0.1 192.0.2.1", Unusable),
            (":: ff02::1 2001:db8::1 2001::1 64:ff9b:1::1 100::1 4000::1", Unusable),
            ("::ffff:0.0.0.0 2002:e000:1::1", Unusable),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
            }
        }
    }

    #[test]
    fn nobody_but_the_operator_names_a_metadata_service() {
        use AddressKind::{Internet, LinkLocal, Loopback, Metadata, Private, Unusable};
        let kinds = [Internet, Private, Loopback, LinkLocal, Metadata, Unusable];
        for (reach, allowed) in [
            (Reach::Anywhere, &kinds[..]),
            (Reach::Internet, &[Internet]),
            (Reach::PrivateToo, &[Internet, Private, Loopback]),
            (Reach::Loopback, &[Loopback]),
        ] {
            for kind in kinds {
                assert_eq!(reach.allows(kind), allowed.contains(&kind), "{reach:?} {kind}");
            }
        }
    }
}
