//! Which certificates are believed, and the destinations made from that.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Destination, Error, Spec, Tls};

/// Which certificates are believed: the system's, read once and only if TLS is used at all, and
/// those of `--extra-ca-file`.
///
/// One for the whole process; each worker's [`Client`](super::Client) is built over it.
pub struct Trust {
    extra: Vec<CertificateDer<'static>>,
    roots: OnceLock<Arc<RootCertStore>>,
    /// Equal specs give the same destination, so that all sessions of a backend share its idle
    /// connections and its TLS sessions.
    known: Mutex<HashMap<Key, Weak<Destination>>>,
    next_id: AtomicU64,
}

/// A spec, and when the files it names last changed: a rotated certificate is a new destination.
#[derive(PartialEq, Eq, Hash)]
struct Key(Spec, [Option<SystemTime>; 3]);

impl Trust {
    /// Trust in the system's certificates and those in `extra_ca_files` (PEM).
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate.
    pub fn new(extra_ca_files: &[PathBuf]) -> Result<Self, Error> {
        let mut extra = Vec::new();
        for path in extra_ca_files {
            extra.extend(certificates(path)?);
        }
        let (roots, known) = (OnceLock::new(), Mutex::default());
        Ok(Self { extra, roots, known, next_id: AtomicU64::new(0) })
    }

    /// The destination of that spec. Reads files: not for a worker thread.
    pub(super) fn destination(&self, spec: Spec) -> Result<Arc<Destination>, Error> {
        let is_tls = match spec.url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Error::Url { url: spec.url.to_string() }),
        };
        let key = Key(spec, [None; 3]);
        let key = if is_tls { Key(key.0.clone(), changed(&key.0.tls)) } else { key };
        if let Some(known) = self.known.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let tls = is_tls.then(|| self.client_config(&key.0)).transpose()?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let made = Arc::new(Destination::new(&key.0, id, tls)?);
        let mut known = self.known.lock();
        known.retain(|_, destination| destination.strong_count() > 0);
        // Somebody else may have been faster.
        if let Some(known) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        known.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    fn client_config(&self, spec: &Spec) -> Result<Arc<ClientConfig>, Error> {
        let wrong = |error: rustls::Error| Error::Tls {
            authority: spec.url.authority().to_owned(),
            reason: error.to_string(),
        };
        let mut roots = Arc::clone(self.roots.get_or_init(|| Arc::new(self.load_roots())));
        if let Some(path) = &spec.tls.ca_file {
            let roots = Arc::make_mut(&mut roots);
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(wrong)?;
            }
        }
        // Passed explicitly: the process default is whatever some dependency installed first.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(roots);
        let mut config = match &spec.tls.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                let key =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
                builder.with_client_auth_cert(chain, key).map_err(wrong)?
            }
        };
        if spec.http2 {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Ok(Arc::new(config))
    }

    fn load_roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "some of the system's certificates cannot be read");
        }
        roots.add_parsable_certificates(system.certs);
        let (_, unusable) = roots.add_parsable_certificates(self.extra.iter().cloned());
        if unusable > 0 {
            tracing::warn!(unusable, "some certificates of --extra-ca-file cannot be used");
        }
        if roots.is_empty() {
            tracing::warn!("no CA certificates found; add some with --extra-ca-file");
        }
        roots
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

fn changed(tls: &Tls) -> [Option<SystemTime>; 3] {
    let (chain, key) = tls.identity.as_ref().map(|(chain, key)| (chain, key)).unzip();
    [tls.ca_file.as_ref(), chain, key]
        .map(|path| path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, error))?;
    if certificates.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::File { path: path.to_owned(), reason: reason.to_string() }
}
