//! `spec.gateway`: what muster has no field for.

use std::path::PathBuf;
use std::time::Duration;

use crate::backends::{Isolation, Tls};
use crate::catalogue::Expose;
use crate::config::{Fields, Section};

/// `spec.gateway`.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) isolation: Isolation,
    pub(super) expose: Expose,
    pub(super) call_timeout: Duration,
    pub(super) cwd: Option<PathBuf>,
    pub(super) max_in_flight: Option<usize>,
    pub(super) http2: bool,
    pub(super) tls: Tls,
    pub(super) trust_annotations: bool,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            expose: Expose::default(),
            call_timeout: Duration::from_mins(5),
            cwd: None,
            max_in_flight: None,
            http2: false,
            tls: Tls::default(),
            trust_annotations: false,
        }
    }
}

impl Section for Gateway {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let isolations = [("shared", Isolation::Shared), ("session", Isolation::Session)];
        fields.choose("isolation", &mut self.isolation, &isolations, &[]);
        fields.choose("protocol", &mut (), &[("auto", ()), ("legacy", ())], &["modern"]);
        fields.section("expose", &mut self.expose);
        fields.set_checked("callTimeout", &mut self.call_timeout, |timeout| {
            if timeout.is_zero() { Err("leaves no time for any call".to_owned()) } else { Ok(()) }
        });
        self.cwd = fields.path("cwd");
        let mut max_in_flight = 0;
        fields.set_within("maxInFlight", &mut max_in_flight, 1..=1_000_000);
        self.max_in_flight = (max_in_flight > 0).then_some(max_in_flight);
        fields.set("http2", &mut self.http2);
        fields.set("trustAnnotations", &mut self.trust_annotations);
        fields.within("tls", |tls| {
            self.tls.ca_file = tls.readable_file("caFile");
            self.tls.cert_file = tls.readable_file("certFile");
            self.tls.key_file = tls.readable_file("keyFile");
            self.tls.server_name = tls.get_with("serverName", server_name);
            match (tls.has("certFile"), tls.has("keyFile")) {
                (true, false) => tls.problem("keyFile", "is missing; certFile needs it"),
                (false, true) => tls.problem("certFile", "is missing; keyFile needs it"),
                _ => {}
            }
        });
    }
}

fn server_name(text: &str) -> Result<String, String> {
    rustls_pki_types::ServerName::try_from(text)
        .map(|_| text.to_owned())
        .map_err(|_| "is not a host name or address".to_owned())
}
