//! `spec.auth`: how the gateway proves to a backend for whom it acts; still to come, so nothing in
//! it may be switched on.

use serde_json::{Value as Json, json};

use crate::config::Fields;

pub(super) fn read(auth: &mut Fields<'_, '_>) {
    auth.choose("type", &mut (), &[("none", ()), ("oauth", ())], &[]);
    auth.later("forwardToken", &json!(false));
    auth.later("requiredAudiences", &json!([]));
    auth.later_when_enabled(
        "tokenExchange",
        &[
            "dexTokenEndpoint",
            "expectedIssuer",
            "connectorId",
            "scopes",
            "clientCredentialsSecretRef",
        ],
    );
    auth.later("authorizationServer", &Json::Null);
    auth.later_when_enabled("localMint", &["audience"]);
}
