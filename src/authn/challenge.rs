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
    let text: Vec<_> = parameters.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let text =
        if text.is_empty() { "Bearer".to_owned() } else { format!("Bearer {}", text.join(", ")) };
    HeaderValue::try_from(text).ok()
}
