//! TLS on a listener: which certificate it shows, and which it wants to see.
//!
//! The files are read at the start and whenever their content changes; connections that are open
//! keep what they began with.

mod config;
mod files;
mod handshake;
mod reload;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

pub use config::Tls;
pub use files::{Files, Unusable};
pub(super) use handshake::{Secured, handshake};

use files::{Digest, Pair};

/// Secures the connections of a listener. Clones share what it shows.
#[derive(Clone, Debug)]
pub struct Acceptor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: Files,
    /// The content that `config` was made of.
    first: Digest,
    config: ArcSwap<ServerConfig>,
    not_after: i64,
}

impl Acceptor {
    /// Reads `files`.
    ///
    /// # Errors
    /// When one of them is of no use.
    pub fn new(files: Files) -> Result<Self, Unusable> {
        let Pair { config, digest, not_after } = files.read()?.pair()?;
        let config = ArcSwap::from_pointee(config);
        Ok(Self(Arc::new(Shared { files, first: digest, config, not_after })))
    }

    /// When the certificate of the start ceases to be valid, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// What the next connection is secured with.
    fn current(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.config.load_full())
    }
}

#[cfg(test)]
mod tests;
