//! Where a request comes from, beyond the proxies that the operator trusts.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use ipnet::{IpNet, Ipv4Net};
use tower::{Layer, Service};

use super::forwarded::{forwarded, x_forwarded_for};
use crate::server::Peer;

/// Reads an entry of `trustedProxies`: a network, or one address.
///
/// # Errors
/// What is wrong with it.
pub fn trusted_proxy(text: &str) -> Result<IpNet, String> {
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "is not a network; write it as 10.0.0.0/8 or 2001:db8::/32".to_owned())?;
    if net.trunc() != net {
        return Err(format!("has bits behind the prefix; write {}", net.trunc()));
    }
    let net = canonical(net);
    if net.prefix_len() == 0 {
        return Err("would let everybody say who they are; name the proxies' networks".to_owned());
    }
    Ok(net)
}

/// Addresses are compared as IPv4 where they are, so the network has to be IPv4's as well.
fn canonical(net: IpNet) -> IpNet {
    let mapped = |net: &ipnet::Ipv6Net| net.addr().to_ipv4_mapped();
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => {
            let v4 = mapped(&v6).and_then(|addr| Ipv4Net::new(addr, v6.prefix_len() - 96).ok());
            v4.map_or(net, IpNet::V4)
        }
        net => net,
    }
}

/// The client's address.
///
/// An IPv4 address that came as IPv6 is IPv4 here. It decides about limits and stands in logs; it
/// proves nothing, and no access hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// Where the client is.
    pub address: IpAddr,
    /// Whether what its connection says of others is believed: it is a trusted proxy's.
    pub is_proxied: bool,
}

impl ClientAddress {
    /// The sender of a request that came over a connection.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let told = request.extensions().get::<Self>().copied();
        told.or_else(|| request.extensions().get::<Peer>().map(Self::direct))
    }

    /// Nobody's word but the connection's.
    fn direct(peer: &Peer) -> Self {
        Self { address: peer.address().ip().to_canonical(), is_proxied: false }
    }
}

/// One site has a /64 of IPv6 at least, and may use any address in it.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[derive(Debug)]
struct Proxies(Vec<IpNet>);

impl Proxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Where a request of `peer` comes from, which is trusted.
    ///
    /// Of `Forwarded` and `X-Forwarded-For` a proxy writes the one it knows and may pass the other
    /// on as the client sent it. Where both are there nobody can tell which is which, so they have
    /// to name the same client; otherwise it is the proxy's address that counts. A client that
    /// sends the other header then shares one limit with all who do so, and takes nobody's place.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let standard = forwarded(headers).map(|hops| self.beyond(peer, hops));
        let customary = x_forwarded_for(headers).map(|hops| self.beyond(peer, hops));
        match (standard, customary) {
            (Some(client), None) | (None, Some(client)) => client,
            (Some(one), Some(other)) if one == other => one,
            (Some(_), Some(_)) | (None, None) => peer,
        }
    }

    /// The first hop that is no proxy of ours, or the last one that says where it is.
    fn beyond(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = peer;
        for hop in hops {
            let Some(hop) = hop else { break };
            last = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        last
    }
}

/// Puts [`ClientAddress`] into the extensions of requests of trusted proxies: of all others the
/// connection tells it.
#[derive(Clone, Debug)]
pub struct ClientAddressLayer(Arc<Proxies>);

impl ClientAddressLayer {
    /// What connections from `trusted` networks say about their clients is believed.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self(Arc::new(Proxies(trusted)))
    }
}

impl<S> Layer<S> for ClientAddressLayer {
    type Service = WithClientAddress<S>;

    fn layer(&self, inner: S) -> WithClientAddress<S> {
        WithClientAddress { inner, proxies: Arc::clone(&self.0) }
    }
}

/// See [`ClientAddressLayer`].
#[derive(Clone, Debug)]
pub struct WithClientAddress<S> {
    inner: S,
    proxies: Arc<Proxies>,
}

impl<S, B> Service<Request<B>> for WithClientAddress<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        if let Some(peer) = req.extensions().get::<Peer>() {
            let peer = peer.address().ip().to_canonical();
            if self.proxies.trusts(peer) {
                let address = self.proxies.client(peer, req.headers());
                req.extensions_mut().insert(ClientAddress { address, is_proxied: true });
            }
        }
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;

    use futures_util::FutureExt;
    use http::{HeaderName, HeaderValue};
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn a_trusted_proxy_is_a_network_or_an_address() {
        for (text, net) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("127.0.0.1", Ok("127.0.0.1/32")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1/128")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("10.0.0.1/8", Err("write 10.0.0.0/8")),
            ("10.0.0.0/33", Err("is not a network")),
            ("10.0.0", Err("is not a network")),
            ("proxy.example", Err("is not a network")),
            ("", Err("is not a network")),
            ("0.0.0.0/0", Err("let everybody say who they are")),
            ("::/0", Err("let everybody say who they are")),
            ("::ffff:0.0.0.0/96", Err("let everybody say who they are")),
        ] {
            match (trusted_proxy(text), net) {
                (Ok(read), Ok(net)) => assert_eq!(read.to_string(), net),
                (Err(fault), Err(part)) => assert!(fault.contains(part), "{text}: {fault}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    fn proxies() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"].map(|net| trusted_proxy(net).unwrap()).to_vec()
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        lines.iter().map(line).collect()
    }

    const F: &str = "forwarded";
    const X: &str = "x-forwarded-for";

    #[test]
    fn only_trusted_proxies_are_believed_and_the_rightmost_stranger_is_the_client() {
        for (name, peer, lines, client) in [
            ("no proxy", "192.0.2.9", &[][..], "192.0.2.9"),
            ("a stranger's word", "192.0.2.9", &[(X, "1.1.1.1")], "192.0.2.9"),
            ("a stranger's other word", "192.0.2.9", &[(F, "for=1.1.1.1")], "192.0.2.9"),
            ("a silent proxy", "10.0.0.1", &[], "10.0.0.1"),
            ("behind a proxy", "10.0.0.1", &[(X, "1.1.1.1")], "1.1.1.1"),
            ("behind a proxy, standard", "10.0.0.1", &[(F, "for=1.1.1.1")], "1.1.1.1"),
            ("forged in front", "10.0.0.1", &[(X, "6.6.6.6, 1.1.1.1")], "1.1.1.1"),
            ("forged as trusted", "10.0.0.1", &[(X, "10.6.6.6, 1.1.1.1")], "1.1.1.1"),
            ("forged line", "10.0.0.1", &[(X, "6.6.6.6"), (X, "1.1.1.1")], "1.1.1.1"),
            ("two proxies", "10.0.0.1", &[(X, "6.6.6.6, 1.1.1.1, 10.0.0.2")], "1.1.1.1"),
            ("only proxies", "10.0.0.1", &[(X, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("malformed", "10.0.0.1", &[(X, "1.1.1.1, x")], "10.0.0.1"),
            ("malformed further on", "10.0.0.1", &[(X, "1.1.1.1, x, 10.0.0.2")], "10.0.0.2"),
            ("hidden", "10.0.0.1", &[(F, "for=1.1.1.1, for=_a")], "10.0.0.1"),
            ("unknown", "10.0.0.1", &[(F, "for=unknown")], "10.0.0.1"),
            ("empty", "10.0.0.1", &[(X, "")], "10.0.0.1"),
            ("both agree", "10.0.0.1", &[(X, "1.1.1.1"), (F, "for=\"1.1.1.1:5\"")], "1.1.1.1"),
            ("a forged Forwarded", "10.0.0.1", &[(X, "1.1.1.1"), (F, "for=6.6.6.6")], "10.0.0.1"),
            ("a forged X-", "10.0.0.1", &[(X, "6.6.6.6"), (F, "for=1.1.1.1")], "10.0.0.1"),
            ("an empty forged one", "10.0.0.1", &[(X, "1.1.1.1"), (F, "")], "10.0.0.1"),
            ("mapped proxy", "::ffff:10.0.0.1", &[(X, "1.1.1.1")], "1.1.1.1"),
            ("mapped client", "10.0.0.1", &[(X, "::ffff:1.1.1.1")], "1.1.1.1"),
            ("mapped second proxy", "10.0.0.1", &[(X, "1.1.1.1, ::ffff:10.0.0.2")], "1.1.1.1"),
            ("mapped stranger", "::ffff:192.0.2.9", &[(X, "1.1.1.1")], "192.0.2.9"),
            ("IPv6", "fd00::1", &[(F, "for=\"[2001:db8::7]:1\"")], "2001:db8::7"),
        ] {
            let found = ask(Some(peer), &headers(lines)).unwrap();
            assert_eq!(found.address.to_string(), client, "{name}");
        }
    }

    /// Whom the layers below take a request for.
    fn ask(peer: Option<&str>, headers: &HeaderMap) -> Option<ClientAddress> {
        let inner = tower::service_fn(|req: Request<()>| async move {
            Ok::<_, Infallible>(ClientAddress::of(&req))
        });
        let mut request = Request::new(());
        request.headers_mut().clone_from(headers);
        if let Some(peer) = peer {
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            request.extensions_mut().insert(Peer::plain(peer));
        }
        let stack = ClientAddressLayer::new(proxies()).layer(inner);
        stack.oneshot(request).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn every_request_of_a_connection_knows_its_client() {
        let at = |address: &str, is_proxied| {
            Some(ClientAddress { address: address.parse().unwrap(), is_proxied })
        };
        let lines = headers(&[(X, "1.1.1.1")]);
        assert_eq!(ask(Some("10.0.0.1"), &lines), at("1.1.1.1", true));
        assert_eq!(ask(Some("::ffff:10.0.0.1"), &lines), at("1.1.1.1", true));
        assert_eq!(ask(Some("192.0.2.9"), &lines), at("192.0.2.9", false));
        assert_eq!(ask(Some("::ffff:192.0.2.9"), &lines), at("192.0.2.9", false));
        assert_eq!(ask(None, &lines), None);
    }
}
