//! What the state of an MCP server comes to, in a few words, and what to do about it.

use super::inventory::Known;

/// Words in an error, in lower case, and what they come to; the first line that fits counts.
const FAILURES: [(&[&str], &str); 11] = [
    (
        &["certificate", "x509"],
        "its certificate is not trusted; check spec.url, or set spec.gateway.tls.caFile",
    ),
    (&["tls", "handshake"], "no TLS connection comes about; check the scheme and port of spec.url"),
    (
        &["no such program", "no such file", "command not found", "executable file not found"],
        "the program is not there; install it, or correct spec.command",
    ),
    (&["permission denied"], "permission denied; check that the program may be run"),
    (&["401", "unauthorized"], "it wants credentials; set them in spec.headers or spec.env"),
    (&["403", "forbidden"], "it refuses the credentials; check those in spec.headers"),
    (&["refused (os error", "connection refused"], "nobody listens at spec.url; start the server"),
    (&["connection reset", "broken pipe"], "it cuts connections; look at its own log"),
    (&["no answer to", "timed out"], "it does not answer in time; see spec.timeout"),
    (
        &["protocol", "unsupported"],
        "it speaks no protocol that we do; check spec.type and spec.url",
    ),
    (&["json", "parse"], "what it answers is no MCP; check spec.type and spec.url"),
];

/// What people are told first; none of a server that is well.
pub(super) fn status_message(known: &Known<'_>) -> Option<&'static str> {
    match known.state {
        "starting" => Some("it is starting"),
        "stopped" => Some("it is stopped; spec.autoStart: true starts it with the gateway"),
        "quarantined" => Some("its definition is wrong; correct what its error names"),
        "failed" => Some(failure(known.error.as_deref().unwrap_or_default())),
        _ => None,
    }
}

fn failure(error: &str) -> &'static str {
    let error = error.to_ascii_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| error.contains(word));
    FAILURES
        .iter()
        .find(|(words, _)| fits(words))
        .map_or("it failed; its error says more", |(_, message)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_to_what_there_is_to_do() {
        for (error, start) in [
            ("cannot connect to a:1: invalid peer certificate: UnknownIssuer", "its certificate"),
            ("cannot connect to a:1: received corrupt message in TLS handshake", "no TLS"),
            ("cannot start \"x\": there is no such program in PATH; install it", "the program"),
            ("cannot start \"x\": Permission denied (os error 13)", "permission denied"),
            ("the server answered initialize with HTTP 401 (it wants credentials)", "it wants"),
            ("the server answered initialize with HTTP 403", "it refuses"),
            ("cannot connect to a:1: Connection refused (os error 111)", "nobody listens"),
            ("cannot connect to a:1: Connection reset by peer", "it cuts"),
            ("no answer to initialize within 30 s", "it does not answer"),
            ("unsupported protocol version \"1\"", "it speaks no protocol"),
            ("the server gave no valid answer to initialize: expected JSON", "what it answers"),
            ("its process exited with status 3", "it failed"),
            ("", "it failed"),
        ] {
            assert!(failure(error).starts_with(start), "{error}: {}", failure(error));
        }
    }
}
