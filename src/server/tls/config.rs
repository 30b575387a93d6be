//! The section `tls` of a listener.

use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::Files;
use crate::config::{Fields, Section, Shown};

/// `aggregator.tls` and `metrics.tls`: the files of a listener that speaks TLS alone; without them
/// it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls(pub Option<Files>);

impl Tls {
    /// Whether clients have to show a certificate.
    pub fn wants_certificates(&self) -> bool {
        self.0.as_ref().is_some_and(|files| files.client_ca.is_some())
    }
}

impl Section for Tls {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let client_ca = fields.path("clientCaFile");
        let pair = match (fields.path("certFile"), fields.path("keyFile")) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return fields.problem("keyFile", "is missing; certFile needs it"),
            (None, Some(_)) => return fields.problem("certFile", "is missing; keyFile needs it"),
            (None, None) => {
                if client_ca.is_some() {
                    fields.problem("certFile", "is missing; clientCaFile needs it, and keyFile");
                }
                return;
            }
        };
        let (certificate, key) = pair;
        let files = Files { certificate, key, client_ca };
        match files.read().and_then(|contents| contents.pair()) {
            Ok(pair) if pair.not_after < now() => {
                fields.warning("certFile", "holds a certificate that has expired; renew it");
            }
            Ok(_) => {}
            Err(unusable) => fields.problem(unusable.key, unusable.to_string()),
        }
        self.0 = Some(files);
    }
}

impl Shown for Tls {
    fn shown(&self) -> Json {
        let Files { certificate, key, client_ca } = self.0.clone().unwrap_or_default();
        let path = |path: PathBuf| Some(path).filter(|path| !path.as_os_str().is_empty());
        json!({
            "certFile": path(certificate),
            "keyFile": path(key),
            "clientCaFile": client_ca,
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}
