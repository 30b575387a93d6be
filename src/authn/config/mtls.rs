//! `auth.mtls`: which client certificates count.

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown};

/// Which client certificates count, of those that the listener's `tls.clientCaFile` vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mtls {
    /// The SPIFFE trust domain that ids must be in; empty lets every one pass, and DNS names too.
    pub trust_domain: Box<str>,
}

impl Section for Mtls {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        if let Some(domain) = fields.get_with("trustDomain", trust_domain) {
            self.trust_domain = domain;
        }
    }
}

impl Shown for Mtls {
    fn shown(&self) -> Json {
        json!({ "trustDomain": self.trust_domain })
    }
}

/// SPIFFE-ID §2.1: lower-case letters, digits, dots, dashes and underscores, 255 bytes at most.
fn trust_domain(text: &str) -> Result<Box<str>, String> {
    let plain = text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    });
    if !plain || text.len() > 255 {
        return Err("is not a trust domain; write it as example.org".to_owned());
    }
    Ok(text.into())
}
