//! rmcp as a client, as it comes.

use std::error::Error;
use std::path::Path;

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;

use crate::wire::Url;

/// Connects, lists and calls, as the other clients do. rmcp brings two HTTP clients; the one over Unix sockets needs
/// none of the crates that the other one does, so a forwarder leads from a socket to `url`.
pub(crate) async fn run(url: &str, calls: &[(&str, Value)]) -> Value {
    let directory = TempDir::new().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a Unix socket");
    let mut forwarder = JoinSet::new();
    forwarder.spawn(forward(listener, Url::parse(url).authority));
    match talk(&socket, url, calls).await {
        Ok(report) => report,
        Err(error) => json!({"ok": false, "error": error.to_string()}),
    }
}

async fn forward(listener: UnixListener, authority: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let Ok(mut far) = TcpStream::connect(&authority).await else { continue };
        connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    }
}

async fn talk(socket: &Path, url: &str, calls: &[(&str, Value)]) -> Result<Value, Box<dyn Error>> {
    let socket = socket.to_str().expect("a UTF-8 path");
    let transport = StreamableHttpClientTransport::with_client(
        UnixSocketHttpClient::new(socket, url),
        StreamableHttpClientTransportConfig::with_uri(url),
    );
    let client = ().serve(transport).await?;
    let tools = client.list_all_tools().await?;
    let mut results = Vec::new();
    for (tool, arguments) in calls {
        let mut params = CallToolRequestParams::new((*tool).to_owned());
        params.arguments = arguments.as_object().cloned();
        results.push(client.call_tool(params).await?);
    }
    let hello = serde_json::to_value(client.peer_info().as_deref())?;
    let report = json!({
        "ok": true,
        "protocol": hello["protocolVersion"],
        "tools": tools.iter().map(|tool| &tool.name).collect::<Vec<_>>(),
        "results": results,
    });
    client.cancel().await?;
    Ok(report)
}
