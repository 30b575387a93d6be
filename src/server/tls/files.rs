//! The files of a listener, and what they make together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::read_file;

const CERTIFICATE: &str = "certFile";
const KEY: &str = "keyFile";
const CLIENT_CA: &str = "clientCaFile";

/// Files in PEM, which may change while they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and behind it those of the authorities between it and a trusted one.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of whose certificates a client has to show one; without them it shows none.
    pub client_ca: Option<PathBuf>,
}

/// A file that is of no use, or not with the others.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} {reason}")]
pub struct Unusable {
    /// The key that names the file.
    pub key: &'static str,
    path: PathBuf,
    reason: String,
}

/// What says whether files have changed. By their content: in Kubernetes they are links to links,
/// and neither times nor inodes tell.
pub(super) type Digest = [u8; 32];

/// What the files hold.
pub(super) struct Contents<'a> {
    files: &'a Files,
    certificate: String,
    key: Zeroizing<String>,
    client_ca: Option<String>,
}

/// What is made of it.
pub(super) struct Pair {
    pub(super) config: ServerConfig,
    pub(super) digest: Digest,
    /// When the certificate ceases to be valid, in seconds since 1970.
    pub(super) not_after: i64,
}

impl Files {
    /// Reads them all. It blocks.
    pub(super) fn read(&self) -> Result<Contents<'_>, Unusable> {
        let client_ca = self.client_ca.as_deref();
        Ok(Contents {
            files: self,
            certificate: read(CERTIFICATE, &self.certificate)?,
            key: Zeroizing::new(read(KEY, &self.key)?),
            client_ca: client_ca.map(|path| read(CLIENT_CA, path)).transpose()?,
        })
    }
}

fn read(key: &'static str, path: &Path) -> Result<String, Unusable> {
    read_file(path).map_err(|problem| unusable(key, path, problem.message))
}

fn unusable(key: &'static str, path: &Path, reason: impl Into<String>) -> Unusable {
    Unusable { key, path: path.to_owned(), reason: reason.into() }
}

impl Contents<'_> {
    pub(super) fn digest(&self) -> Digest {
        let mut context = digest::Context::new(&SHA256);
        for text in [&*self.certificate, &*self.key, self.client_ca.as_deref().unwrap_or_default()]
        {
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        }
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// How connections are secured with them.
    pub(super) fn pair(&self) -> Result<Pair, Unusable> {
        // Passed explicitly: the process default is whatever some dependency installed first.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (own, not_after) = self.own(&provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(CERTIFICATE, &self.files.certificate, error.to_string()))?;
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(own));
        let mut config = match self.client_roots()? {
            None => builder.with_no_client_auth().with_cert_resolver(resolver),
            Some((path, roots)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .map_err(|error| unusable(CLIENT_CA, path, error.to_string()))?;
                let mut config =
                    builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
                // A resumed connection would not be asked again, not even after its certificate
                // has expired.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                config
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Pair { config, digest: self.digest(), not_after })
    }

    /// The listener's own certificate with its key, and when it expires.
    fn own(&self, provider: &CryptoProvider) -> Result<(CertifiedKey, i64), Unusable> {
        let Files { certificate: path, key: key_path, .. } = self.files;
        let chain = certificates(CERTIFICATE, path, &self.certificate)?;
        let not_after = X509Certificate::from_der(&chain[0])
            .map(|(_, certificate)| certificate.validity().not_after.timestamp())
            .map_err(|error| unusable(CERTIFICATE, path, format!("cannot be used: {error}")))?;
        let key =
            PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| match error {
                pem::Error::NoItemsFound => unusable(KEY, key_path, "holds no private key in PEM"),
                error => unusable(KEY, key_path, format!("cannot be used: {error}")),
            })?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| unusable(KEY, key_path, format!("cannot be used: {error}")))?;
        let own = CertifiedKey::new(chain, key);
        own.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let reason =
                    format!("does not belong to the certificate in certFile, {}", path.display());
                unusable(KEY, key_path, reason)
            }
            error => unusable(CERTIFICATE, path, format!("cannot be used: {error}")),
        })?;
        Ok((own, not_after))
    }

    fn client_roots(&self) -> Result<Option<(&Path, RootCertStore)>, Unusable> {
        let (Some(path), Some(text)) = (&self.files.client_ca, &self.client_ca) else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates(CLIENT_CA, path, text)?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                let number = index + 1;
                unusable(CLIENT_CA, path, format!("cannot be used, certificate {number}: {error}"))
            })?;
        }
        Ok(Some((path, roots)))
    }
}

fn certificates(
    key: &'static str,
    path: &Path,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(key, path, format!("cannot be used: {error}")))?;
    if certificates.is_empty() {
        return Err(unusable(key, path, "holds no certificate in PEM"));
    }
    Ok(certificates)
}
