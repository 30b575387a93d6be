//! Identity in client certificates: the handshake has verified them, this says who they are for.

mod names;
mod spiffe;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Asked, Mtls, Refusal};
use crate::call::{Principal, PrincipalKind, issuer};

/// Reads who a verified certificate is for.
#[derive(Debug)]
pub(super) struct Certificates {
    config: Mtls,
}

/// What a connection's certificate came to: it stays the same as long as the connection.
#[derive(Clone)]
struct Found(Result<Arc<Principal>, Refusal>);

impl Certificates {
    pub(super) fn new(config: &Mtls) -> Self {
        Self { config: config.clone() }
    }

    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Arc<Principal>, Refusal> {
        let remembered = asked.memory.and_then(|memory| memory.lock().get::<Found>().cloned());
        let Found(found) = remembered.unwrap_or_else(|| {
            let found = Found(self.read(asked.certificate));
            if let Some(memory) = asked.memory {
                memory.lock().insert(found.clone());
            }
            found
        });
        // The handshake has looked at the time, and that may have been days ago.
        found.and_then(|principal| match principal.expires {
            Some(expires) if expires <= SystemTime::now() => Err(Refusal::Unidentified(
                "the client certificate has expired; connect again with a new one",
            )),
            _ => Ok(principal),
        })
    }

    fn read(&self, der: Option<&CertificateDer<'_>>) -> Result<Arc<Principal>, Refusal> {
        let der = der.ok_or(Refusal::Unidentified(
            "the connection has no client certificate; connect with TLS and show one",
        ))?;
        let unreadable = Refusal::Unidentified("the client certificate cannot be read");
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable.clone())?;
        let names =
            certificate.subject_alternative_name().map_err(|_| unreadable)?.ok_or(names::NONE)?;
        let subject = names::subject(&names.value.general_names, &self.config.trust_domain)?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Arc::new(Principal {
            issuer: issuer::MTLS.into(),
            subject,
            kind: PrincipalKind::Service,
            expires: Some(at(not_after)),
            ..Principal::default()
        }))
    }
}

/// A time before 1970 is long over, whenever it was.
fn at(unix: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests;
