//! Sockets that listen.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

use super::tls::Acceptor;

/// Connections that wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: u32 = 1024;
/// How often another port is tried when port 0 gave one that is taken on the other loopback address.
const PORT_ATTEMPTS: usize = 8;

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}")]
    Bind {
        /// What was tried.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The host name has no address.
    #[error("cannot find an address for host {host:?}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Socket activation handed over something that is no listening TCP socket.
    #[error("socket {index} handed over in LISTEN_FDS cannot be used")]
    Inherited {
        /// Its place.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
}

/// One or more listening sockets that lead to the same service.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    tls: Option<Acceptor>,
}

impl Listeners {
    /// Listens on every address of `host`; port 0 takes any free one.
    ///
    /// `localhost` means both 127.0.0.1 and `::1`, on one port: clients differ in which they try
    /// first, and whoever took the other address would get their requests.
    ///
    /// # Errors
    /// When an address cannot be bound. That the machine has no IPv6 is none.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn bind(host: &str, port: u16) -> Result<Self, BindError> {
        if host.eq_ignore_ascii_case("localhost") {
            return Self::bind_localhost(port);
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let resolve = |source| BindError::Resolve { host: host.to_owned(), source };
        let mut addresses: Vec<_> = (bare, port).to_socket_addrs().map_err(resolve)?.collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(resolve(io::ErrorKind::NotFound.into()));
        }
        let mut port = port;
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let listener = listen(SocketAddr::new(address.ip(), port))?;
            port = port_of(&listener, address)?;
            listeners.push(listener);
        }
        Ok(Self::plain(listeners))
    }

    fn plain(sockets: Vec<TcpListener>) -> Self {
        Self { sockets, tls: None }
    }

    /// The same, on which nothing but TLS is spoken.
    #[must_use]
    pub fn with_tls(self, acceptor: Acceptor) -> Self {
        Self { tls: Some(acceptor), ..self }
    }

    fn bind_localhost(port: u16) -> Result<Self, BindError> {
        let mut attempts = PORT_ATTEMPTS;
        loop {
            let v4_address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let v4 = listen(v4_address)?;
            let v6_address = SocketAddr::from((Ipv6Addr::LOCALHOST, port_of(&v4, v4_address)?));
            match listen(v6_address) {
                Ok(v6) => return Ok(Self::plain(vec![v4, v6])),
                Err(BindError::Bind { source, .. }) if lacks_ipv6(&source) => {
                    return Ok(Self::plain(vec![v4]));
                }
                Err(BindError::Bind { source, .. })
                    if port == 0 && source.kind() == io::ErrorKind::AddrInUse && attempts > 0 =>
                {
                    attempts -= 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The sockets that systemd or another parent opened for us; `None` if it opened none.
    ///
    /// Takes them: a second call finds none.
    ///
    /// # Errors
    /// When one is not a listening TCP socket.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn inherited() -> Result<Option<Self>, BindError> {
        let mut inherited = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..inherited.len() {
            let failed = |source| BindError::Inherited { index, source };
            if let Some(listener) = inherited.take_tcp_listener(index).map_err(failed)? {
                listener.set_nonblocking(true).map_err(failed)?;
                listeners.push(TcpListener::from_std(listener).map_err(failed)?);
            }
        }
        Ok((!listeners.is_empty()).then(|| Self::plain(listeners)))
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The port of the first.
    pub fn port(&self) -> u16 {
        self.addresses().first().map_or(0, SocketAddr::port)
    }

    /// Whether only this machine can connect.
    pub fn is_loopback(&self) -> bool {
        let addresses = self.addresses();
        addresses.len() == self.sockets.len()
            && addresses.iter().all(|address| loopback(address.ip()))
    }

    /// How a URL begins that leads to them.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What their connections are secured with.
    pub fn tls(&self) -> Option<&Acceptor> {
        self.tls.as_ref()
    }

    pub(super) fn into_parts(self) -> (Vec<TcpListener>, Option<Acceptor>) {
        (self.sockets, self.tls)
    }
}

fn loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for connections of the last run to leave TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| BindError::Bind { address, source })
}

fn port_of(listener: &TcpListener, address: SocketAddr) -> Result<u16, BindError> {
    let bound = listener.local_addr().map_err(|source| BindError::Bind { address, source })?;
    Ok(bound.port())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // Linux: no such address family, or the loopback interface has no IPv6 address.
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_one_port_on_every_loopback_address_of_the_machine() {
        let listeners = Listeners::bind("localhost", 0).unwrap();
        let addresses = listeners.addresses();
        assert_eq!(addresses[0].ip(), Ipv4Addr::LOCALHOST);
        assert!(addresses.iter().all(|address| address.port() == listeners.port()));
        assert!(listeners.is_loopback());
        let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(addresses.len(), if has_ipv6 { 2 } else { 1 });
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_an_error_that_names_it() {
        let first = Listeners::bind("127.0.0.1", 0).unwrap();
        let error = Listeners::bind("localhost", first.port()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{}", first.port()));
    }

    #[tokio::test]
    async fn the_other_loopback_address_in_strange_hands_is_an_error() {
        let Ok(stranger) = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
            return; // a machine without IPv6
        };
        let port = stranger.local_addr().unwrap().port();
        assert!(Listeners::bind("localhost", port).is_err());
    }

    #[tokio::test]
    async fn every_address_is_not_loopback() {
        assert!(!Listeners::bind("0.0.0.0", 0).unwrap().is_loopback());
    }

    #[tokio::test]
    async fn a_host_without_an_address_is_an_error_that_names_it() {
        let error = Listeners::bind("no such host", 0).unwrap_err();
        assert_eq!(error.to_string(), r#"cannot find an address for host "no such host""#);
    }

    #[tokio::test]
    async fn without_socket_activation_nothing_is_inherited() {
        assert!(Listeners::inherited().unwrap().is_none());
    }
}
