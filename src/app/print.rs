//! What `serve` says on standard output: where it listens, how the backends are, what to paste.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Url;

use crate::authn;
use crate::routes::welcome::WayIn;
use crate::server::{Listeners, Transport};
use crate::supervise::Status;

/// The way in that clients are told: below the public URL, else on this machine; without listeners
/// the command line that started us.
pub(super) fn way_in(
    transport: Transport,
    listeners: Option<&Listeners>,
    public: Option<&Url>,
) -> WayIn {
    let (Some(path), Some(listeners)) = (transport.path(), listeners) else {
        let mut line = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        return WayIn::Stdio { command: line.next().unwrap_or_default(), args: line.collect() };
    };
    let address = listeners.addresses().into_iter().next();
    let url = match (public, address) {
        (Some(public), _) => format!("{}{path}", public.as_str().trim_end_matches('/')),
        (None, Some(address)) => format!("{}://{address}{path}", listeners.scheme()),
        (None, None) => String::new(),
    };
    match transport {
        Transport::Sse => WayIn::Sse(url),
        Transport::StreamableHttp | Transport::Stdio => WayIn::StreamableHttp(url),
    }
}

/// Where the gateway listens, one line each, and who may call.
pub(super) fn addresses(
    transport: Transport,
    auth: &authn::Config,
    mcp: Option<&Listeners>,
    metrics: Option<&Listeners>,
) -> String {
    let mut text = format!("portcullis {}\n", env!("CARGO_PKG_VERSION"));
    let path = transport.path().unwrap_or_default();
    for (what, path, listeners) in [("listening", path, mcp), ("metrics", "/metrics", metrics)] {
        let Some(listeners) = listeners else { continue };
        let scheme = listeners.scheme();
        for address in listeners.addresses() {
            let _ = writeln!(text, "{what} on {scheme}://{address}{path}");
        }
    }
    text.push_str(&authentication(auth, mcp.map(Listeners::is_loopback)));
    text
}

fn authentication(auth: &authn::Config, is_loopback: Option<bool>) -> String {
    let (mode, who) = (auth.mode.word(), who_may_call(auth, is_loopback));
    format!("authentication: {mode}, {who} may call\n")
}

/// Who may call, in words; `is_loopback` says it of the listeners, if there are any.
fn who_may_call(auth: &authn::Config, is_loopback: Option<bool>) -> Cow<'static, str> {
    let names = &auth.header;
    match (auth.mode, is_loopback) {
        (authn::Mode::None, Some(true)) => "everybody on this machine".into(),
        (authn::Mode::None, Some(false)) => "everybody".into(),
        (authn::Mode::None, None) => "whoever started the gateway".into(),
        (authn::Mode::Oauth, _) => {
            let issuers: Vec<_> = auth.issuers.iter().map(|it| &*it.issuer).collect();
            format!("whoever has an access token of {}", issuers.join(" or ")).into()
        }
        (authn::Mode::Tokens, _) => match auth.tokens.as_slice() {
            [one] => format!("whoever has the token {}", one.name).into(),
            tokens => format!("whoever has one of {} tokens", tokens.len()).into(),
        },
        (authn::Mode::Header, _) => {
            format!("whoever trusted proxies name in {} or {}", names.human, names.agent).into()
        }
        (authn::Mode::Mtls, _) if auth.mtls.trust_domain.is_empty() => {
            "whoever has a client certificate with a SPIFFE id or DNS name".into()
        }
        (authn::Mode::Mtls, _) => {
            let domain = &auth.mtls.trust_domain;
            format!("whoever has a client certificate with a SPIFFE id of {domain}").into()
        }
    }
}

/// Each backend and its state, and the block for a client's `mcp.json`.
pub(super) fn backends(status: &[Status], way: &WayIn) -> String {
    let mut text = String::new();
    let width = status.iter().map(|status| status.name.len()).max().unwrap_or_default();
    for Status { name, state, error } in status {
        let _ = write!(text, "  {name:width$}  {state}");
        let _ = match error {
            Some(error) => writeln!(text, ": {error}"),
            None => writeln!(text),
        };
    }
    if status.is_empty() {
        text.push_str("  no MCP server is configured: add one to mcpservers/\n");
    }
    let _ = writeln!(text, "\nfor a client's mcp.json:\n{}", way.client_config());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::{Config, Digest, Issuer, Mode, Token};

    #[test]
    fn the_line_of_each_mode_says_in_words_who_may_call() {
        let mode = |mode| Config { mode, ..Config::default() };
        let issuer = |url: &str| Issuer { issuer: url.into(), ..Issuer::default() };
        let issuers = vec![issuer("https://a.example"), issuer("https://b.example")];
        let token = |name: &str| Token {
            name: name.into(),
            digest: Digest::of(b"sesame"),
            ..Token::default()
        };
        let mut mtls = mode(Mode::Mtls);
        mtls.mtls.trust_domain = "example.org".into();
        for (auth, is_loopback, line) in [
            (mode(Mode::None), Some(true), "none, everybody on this machine may call"),
            (mode(Mode::None), Some(false), "none, everybody may call"),
            (mode(Mode::None), None, "none, whoever started the gateway may call"),
            (
                Config { issuers, ..mode(Mode::Oauth) },
                Some(false),
                "oauth, whoever has an access token of https://a.example or https://b.example may \
                 call",
            ),
            (
                Config { tokens: vec![token("ci")], ..mode(Mode::Tokens) },
                Some(true),
                "tokens, whoever has the token ci may call",
            ),
            (
                Config { tokens: vec![token("a"), token("b")], ..mode(Mode::Tokens) },
                Some(false),
                "tokens, whoever has one of 2 tokens may call",
            ),
            (
                mode(Mode::Header),
                Some(false),
                "header, whoever trusted proxies name in x-mcp-human-id or x-mcp-agent-id may call",
            ),
            (
                mode(Mode::Mtls),
                Some(false),
                "mtls, whoever has a client certificate with a SPIFFE id or DNS name may call",
            ),
            (
                mtls,
                Some(false),
                "mtls, whoever has a client certificate with a SPIFFE id of example.org may call",
            ),
        ] {
            assert_eq!(authentication(&auth, is_loopback), format!("authentication: {line}\n"));
        }
    }

    #[test]
    fn backends_are_listed_with_their_errors_and_a_block_to_paste() {
        let status = [
            Status { name: "alpha".into(), state: "running", error: None },
            Status { name: "beta-2".into(), state: "failed", error: Some("no such file".into()) },
        ];
        assert_eq!(
            backends(&status, &WayIn::StreamableHttp("http://127.0.0.1:8090/mcp".to_owned())),
            "  alpha   running\n  \
               beta-2  failed: no such file\n\
             \n\
             for a client's mcp.json:\n\
             {\n  \"mcpServers\": {\n    \"portcullis\": {\n      \"type\": \"http\",\n      \
             \"url\": \"http://127.0.0.1:8090/mcp\"\n    }\n  }\n}\n"
        );
    }
}
