//! `auth.issuers[].introspection`: where to ask about tokens that say nothing themselves.

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use url::Url;

use super::values::{text, url};
use crate::config::{Fields, Section, Shown};

/// Where to ask about tokens that are no JWT (RFC 7662).
#[derive(Clone, Debug, Default)]
pub struct Introspection {
    /// The endpoint; asked for at the issuer's metadata otherwise.
    pub endpoint: Option<Url>,
    /// Who we are there.
    pub client_id: Box<str>,
    /// Our secret there.
    pub client_secret: SecretString,
}

impl Section for Introspection {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        self.endpoint = fields.get_with("endpoint", url);
        match fields.get_with("clientId", text) {
            Some(id) => self.client_id = id,
            None => fields.problem("clientId", "is missing"),
        }
        match fields.secret("clientSecret", "clientSecretFile") {
            Some(secret) => self.client_secret = secret,
            None => fields.problem("clientSecretFile", "is missing, and so is clientSecret"),
        }
    }
}

impl Shown for Introspection {
    fn shown(&self) -> Json {
        json!({
            "endpoint": self.endpoint.as_ref().map(Url::as_str),
            "clientId": self.client_id,
        })
    }
}
