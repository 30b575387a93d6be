//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

/// The other end of the connection that a request came by; in the request's extensions.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    is_tls: bool,
    certificate: Option<CertificateDer<'static>>,
    memory: Mutex<Extensions>,
}

impl Peer {
    /// The other end of a plain connection.
    pub fn plain(address: SocketAddr) -> Self {
        let memory = Mutex::default();
        Self(Arc::new(Inner { address, is_tls: false, certificate: None, memory }))
    }

    /// The other end of an encrypted connection, and the certificate it has proven to own.
    pub fn tls(address: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Self {
        let memory = Mutex::default();
        Self(Arc::new(Inner { address, is_tls: true, certificate, memory }))
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.0.is_tls
    }

    /// The certificate it has shown and proven to own.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.0.certificate.as_ref()
    }

    /// What is remembered for as long as the connection lasts.
    pub fn memory(&self) -> &Mutex<Extensions> {
        &self.0.memory
    }
}
