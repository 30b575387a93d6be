//! What `serve` says on standard output: where it listens, how the backends are, what to paste.

use std::fmt::Write as _;

use url::Url;

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
    let who = match mcp {
        Some(mcp) if mcp.is_loopback() => "everybody on this machine may call",
        Some(_) => "everybody may call",
        None => "whoever started the gateway may call, on its standard input",
    };
    let _ = writeln!(text, "authentication: none, {who}");
    text
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
