//! What proxies say about who came before them: `Forwarded` (RFC 7239) and `X-Forwarded-*`.
//!
//! A list is read from its right end, where the proxy next to us wrote. Whatever the client put to
//! the left of it, an unbalanced quotation mark for example, cannot change what is read there. The
//! lines of a header are one list (RFC 9110 §5.3), and each keeps its quotation marks to itself.

use std::iter;
use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};

/// Entries that are looked at, empty ones included; nobody has that many proxies.
const MAX_ENTRIES: usize = 32;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The hops that `Forwarded` names, the last one first; `None` for an entry without an address.
/// There is no list if there is no such header.
pub(super) fn forwarded(headers: &HeaderMap) -> Option<impl Iterator<Item = Option<IpAddr>>> {
    hops(headers, &header::FORWARDED, forwarded_for)
}

/// The hops that `X-Forwarded-For` names, likewise.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Option<impl Iterator<Item = Option<IpAddr>>> {
    hops(headers, &X_FORWARDED_FOR, node)
}

fn hops<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    read: fn(&[u8]) -> Option<IpAddr>,
) -> Option<impl Iterator<Item = Option<IpAddr>> + use<'h>> {
    headers
        .contains_key(name)
        .then(|| entries(headers, name).filter(|entry| !entry.is_empty()).map(read))
}

fn entries<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> + use<'h> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| split_from_right(line.as_bytes(), b',')).take(MAX_ENTRIES)
}

/// The parts between separators outside of quotation marks, from the right, without space around.
fn split_from_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(text);
    iter::from_fn(move || {
        let text = left?;
        let mut quoted = false;
        let cut = (0..text.len()).rev().find(|&at| {
            quoted ^= text[at] == b'"' && !is_escaped(text, at);
            text[at] == separator && !quoted
        });
        left = cut.map(|at| &text[..at]);
        Some(text[cut.map_or(0, |at| at + 1)..].trim_ascii())
    })
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// What the proxy next to us says the client connected to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'h> {
    /// `host`, whatever it is.
    pub(super) host: Option<&'h [u8]>,
    /// `proto`, whatever it is.
    pub(super) proto: Option<&'h [u8]>,
}

/// What the last element of `Forwarded` says: those before it came with the request.
pub(super) fn said(headers: &HeaderMap) -> Said<'_> {
    let said = last(headers, &header::FORWARDED).and_then(|element| {
        let [host, proto] = values(element, ["host", "proto"])?;
        // A host needs no escapes, and with them it would not be a part of the header.
        let plain = |value: &&[u8]| !value.contains(&b'\\');
        Some(Said {
            host: host.and_then(unquoted).filter(plain),
            proto: proto.and_then(unquoted).filter(plain),
        })
    });
    said.unwrap_or_default()
}

/// The last entry of a list, likewise; an empty one if there is no other.
pub(super) fn last<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let found = entries(headers, name).find(|entry| !entry.is_empty());
    found.or_else(|| headers.contains_key(name).then_some(b""))
}

/// The address in the one `for` of an element (RFC 7239 §4).
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let [value] = values(element, ["for"])?;
    let value = value?;
    match value.strip_prefix(b"\"") {
        Some(_) => node(&unescaped(unquoted(value)?)?),
        None => node(value),
    }
}

/// The values of these parameters of an element; none of an element that is broken or has one of
/// them twice.
fn values<'e, const N: usize>(
    element: &'e [u8],
    names: [&str; N],
) -> Option<[Option<&'e [u8]>; N]> {
    let mut found = [None; N];
    for pair in split_from_right(element, b';').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&pair[..at], &pair[at + 1..]);
        let wanted = names.iter().position(|it| name.eq_ignore_ascii_case(it.as_bytes()));
        if wanted.is_some_and(|wanted| found[wanted].replace(value).is_some()) {
            return None;
        }
    }
    Some(found)
}

/// What is between quotation marks, if there are any.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// The content of a quoted string (RFC 9110 §5.6.4).
fn unescaped(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len());
    let mut bytes = content.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.push(*bytes.next()?),
            b'"' => return None,
            byte => out.push(byte),
        }
    }
    Some(out)
}

/// An address, perhaps with a port; an obfuscated name and `unknown` are none (RFC 7239 §6).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        IpAddr::V6(address.parse::<Ipv6Addr>().ok().filter(|_| is_whole)?)
    } else if let Ok(address) = text.parse() {
        address
    } else {
        let (address, port) = text.split_once(':')?;
        IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    let obfuscated = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.chars().all(obfuscated),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("192.0.2.1:_port-1", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:c000:201]", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:123456", None),
            ("192.0.2.1:4711:1", None),
            ("192.0.2.256", None),
            ("192.0.2.01", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]4711", None),
            ("fe80::1%eth0", None),
            ("client.example", None),
            (" 192.0.2.1", None),
        ] {
            assert_eq!(node(text.as_bytes()).map(|a| a.to_string()).as_deref(), address, "{text}");
        }
    }

    #[test]
    fn an_element_of_forwarded_has_one_for() {
        for (element, address) in [
            ("for=192.0.2.43", Some("192.0.2.43")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            ("proto=https;host=\"a;for=6.6.6.6\";for=192.0.2.60", Some("192.0.2.60")),
            ("for=\"192.0.2.\\43\"", Some("192.0.2.43")),
            ("for=192.0.2.43;", Some("192.0.2.43")),
            ("for=\"_gazonk\"", None),
            ("for=unknown", None),
            ("proto=https", None),
            ("for=192.0.2.1;for=192.0.2.2", None),
            ("for=192.0.2.1;nonsense", None),
            ("for=\"192.0.2.1", None),
            ("for=\"", None),
            ("for=192.0.2.1\"", None),
            ("for = 192.0.2.1", None),
        ] {
            let found = forwarded_for(element.as_bytes()).map(|a| a.to_string());
            assert_eq!(found.as_deref(), address, "{element}");
        }
    }

    fn listed(name: &HeaderName, lines: &[&[u8]]) -> Vec<Option<String>> {
        let lines = lines.iter().map(|line| HeaderValue::from_bytes(line).unwrap());
        let headers: HeaderMap = lines.map(|line| (name.clone(), line)).collect();
        let text = |hop: Option<IpAddr>| hop.map(|address| address.to_string());
        if name == header::FORWARDED {
            forwarded(&headers).unwrap().map(text).collect()
        } else {
            x_forwarded_for(&headers).unwrap().map(text).collect()
        }
    }

    #[test]
    fn all_lines_are_one_list_that_is_read_from_its_end() {
        let some = |address: &str| Some(address.to_owned());
        let lines: [&[u8]; 2] = [b"1.1.1.1, x", b",2.2.2.2 ,, 3.3.3.3,"];
        let expected = [some("3.3.3.3"), some("2.2.2.2"), None, some("1.1.1.1")];
        assert_eq!(listed(&X_FORWARDED_FOR, &lines), expected);
        let lines: [&[u8]; 2] = [b"for=1.1.1.1, for=\"x, y\"", b"for=2.2.2.2;by=\"a,b\""];
        assert_eq!(listed(&header::FORWARDED, &lines), [some("2.2.2.2"), None, some("1.1.1.1")]);
        assert!(forwarded(&HeaderMap::new()).is_none());
    }

    #[test]
    fn what_a_client_wrote_does_not_change_what_is_read_behind_it() {
        let proxy = b"for=\"[2001:db8::1]:80\";host=\"a\\\"b,c\";proto=https";
        for client in ["for=\"", "\"", "for=\"6.6.6.6", "\\", "a\\\"", "\u{e9}\"", ";;;", "for="] {
            let line = [client.as_bytes(), b", ", proxy].concat();
            let first = listed(&header::FORWARDED, &[&line]).remove(0);
            assert_eq!(first.as_deref(), Some("2001:db8::1"), "{client}");
        }
    }

    #[test]
    fn endless_lists_are_not_read_to_their_end() {
        let many = "1.1.1.1,".repeat(5000);
        assert!(listed(&X_FORWARDED_FOR, &[many.as_bytes()]).len() <= MAX_ENTRIES);
        assert!(listed(&X_FORWARDED_FOR, &[&[b','; 5000]]).is_empty());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "[\"\\\\,;=for\\[\\]:.19a \t]{0,40}") {
            listed(&header::FORWARDED, &[line.as_bytes()]);
            listed(&X_FORWARDED_FOR, &[line.as_bytes()]);
            let line = HeaderValue::from_str(&line).unwrap();
            said(&[(header::FORWARDED, line)].into_iter().collect());
        }
    }
}
