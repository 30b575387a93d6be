//! `WWW-Authenticate`: what would get a client in (RFC 6750 §3, RFC 9728 §5.1).

use http::HeaderValue;

use super::Refusal;
use super::refusal::listed;
use crate::call::Names;

/// The challenge that goes with a refusal; `None` if no token would help. `metadata` is the address
/// of the endpoint's protected resource metadata, `required` what every token needs.
pub fn challenge(
    refusal: &Refusal,
    metadata: Option<&str>,
    required: &Names,
) -> Option<HeaderValue> {
    let (error, description, scopes) = match refusal {
        Refusal::Missing(_) => (None, None, required),
        Refusal::Malformed(why) => (Some("invalid_request"), Some(*why), required),
        Refusal::Invalid(fault) => (Some("invalid_token"), Some(fault.message), required),
        Refusal::Scope { required } => {
            (Some("insufficient_scope"), Some("more scopes are needed"), &**required)
        }
        Refusal::Unidentified(_) | Refusal::Unavailable { .. } => return None,
    };
    let scopes = Some(listed(scopes)).filter(|scopes| !scopes.is_empty());
    let parameters = [
        ("resource_metadata", metadata),
        ("scope", scopes.as_deref()),
        ("error", error),
        ("error_description", description),
    ];
    let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let text: Vec<_> =
        parameters.map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    let text =
        if text.is_empty() { "Bearer".to_owned() } else { format!("Bearer {}", text.join(", ")) };
    HeaderValue::try_from(text).ok()
}

/// The content of a quoted string (RFC 9110 §5.6.4).
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::authn::Fault;

    const METADATA: &str = "https://gate.example/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn a_challenge_says_what_would_get_a_client_in() {
        let scope = || Refusal::Scope { required: Arc::new(["b", "a"].into_iter().collect()) };
        let unavailable =
            || Refusal::Unavailable { issuer: "https://i".into(), retry_after: Duration::ZERO };
        let missing = || Refusal::Missing("x");
        let invalid = Refusal::Invalid(Fault::new("expired", "it has expired"));
        for (name, refusal, metadata, required, challenge) in [
            ("no token", missing(), Some(METADATA), "mcp", Some(r#"Bearer METADATA, scope="mcp""#)),
            ("no scopes", missing(), Some(METADATA), "", Some("Bearer METADATA")),
            ("no metadata", missing(), None, "", Some("Bearer")),
            (
                "a bad token",
                invalid,
                Some(METADATA),
                "mcp",
                Some(
                    r#"Bearer METADATA, scope="mcp", error="invalid_token", error_description="it has expired""#,
                ),
            ),
            (
                "no token at all",
                Refusal::Malformed(r#"say "it" \ once"#),
                None,
                "",
                Some(r#"Bearer error="invalid_request", error_description="say \"it\" \\ once""#),
            ),
            (
                "scopes that are lacking",
                scope(),
                Some(METADATA),
                "mcp",
                Some(
                    r#"Bearer METADATA, scope="a b", error="insufficient_scope", error_description="more scopes are needed""#,
                ),
            ),
            ("nobody known", Refusal::Unidentified("x"), Some(METADATA), "mcp", None),
            ("nobody who could tell", unavailable(), Some(METADATA), "mcp", None),
        ] {
            let required = required.split_whitespace().collect();
            let found = super::challenge(&refusal, metadata, &required);
            let found = found.map(|it| it.to_str().unwrap().to_owned());
            let metadata = format!("resource_metadata=\"{METADATA}\"");
            let challenge = challenge.map(|it| it.replace("METADATA", &metadata));
            assert_eq!(found, challenge, "{name}");
        }
    }
}
