//! `auth` of `config.yaml`.

use serde_json::{Value as Json, json};

use crate::config::{Fields, Section, Shown};

/// How callers prove who they are; so far they do not.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whether anybody who reaches a listener that is not loopback may call.
    pub allow_unauthenticated: bool,
}

impl Section for Config {
    fn read(&mut self, fields: &mut Fields<'_, '_>) {
        let later = ["oauth", "tokens", "header", "mtls"];
        fields.choose("mode", &mut (), &[("none", ())], &later);
        fields.set("allowUnauthenticated", &mut self.allow_unauthenticated);
        fields.later("scopes", &json!({"required": [], "tools": [], "hidden": "hide"}));
        fields.later("admin", &json!({"scopes": [], "groups": [], "tokens": []}));
        fields.later("issuers", &json!([]));
        fields.later("tokens", &json!([]));
        fields.later("header", &json!({}));
    }
}

impl Shown for Config {
    fn shown(&self) -> Json {
        json!({ "mode": "none", "allowUnauthenticated": self.allow_unauthenticated })
    }
}
