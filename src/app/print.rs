//! What `serve` says on standard output: where it listens, how the backends are, what to paste.

use std::fmt::Write as _;

use url::Url;

use crate::server::Listeners;
use crate::supervise::Status;

/// The URL to give to clients: below the public one, else on this machine.
pub(super) fn client_url(listeners: &Listeners, public: Option<&Url>) -> String {
    if let Some(public) = public {
        return format!("{}/mcp", public.as_str().trim_end_matches('/'));
    }
    let address = listeners.addresses().into_iter().next();
    address.map_or_else(String::new, |address| format!("http://{address}/mcp"))
}

/// Where the gateway listens, one line each, and who may call.
pub(super) fn addresses(mcp: &Listeners, metrics: &Listeners) -> String {
    let mut text = format!("portcullis {}\n", env!("CARGO_PKG_VERSION"));
    for (what, path, listeners) in [("listening", "/mcp", mcp), ("metrics", "/metrics", metrics)] {
        for address in listeners.addresses() {
            let _ = writeln!(text, "{what} on http://{address}{path}");
        }
    }
    let who = if mcp.is_loopback() { "everybody on this machine" } else { "everybody" };
    let _ = writeln!(text, "authentication: none, {who} may call");
    text
}

/// Each backend and its state, and the block for a client's `mcp.json`.
pub(super) fn backends(status: &[Status], url: &str) -> String {
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
    let block = serde_json::json!({
        "mcpServers": { "portcullis": { "type": "http", "url": url } }
    });
    let _ = writeln!(text, "\nfor a client's mcp.json:\n{block:#}");
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
            backends(&status, "http://127.0.0.1:8090/mcp"),
            "  alpha   running\n  \
               beta-2  failed: no such file\n\
             \n\
             for a client's mcp.json:\n\
             {\n  \"mcpServers\": {\n    \"portcullis\": {\n      \"type\": \"http\",\n      \
             \"url\": \"http://127.0.0.1:8090/mcp\"\n    }\n  }\n}\n"
        );
    }
}
