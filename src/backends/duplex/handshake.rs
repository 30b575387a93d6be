//! `initialize` over a channel.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::wire::{Whose, Wire};
use crate::backends::OpenError;
use crate::call;
use crate::mcp::{Capabilities, Message, ProtocolVersion};

/// `notifications/initialized`
pub(in crate::backends) const INITIALIZED: Bytes =
    Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);

/// Sends `initialize` and gives the answer, a result or an error.
pub(in crate::backends) async fn initialize(
    wire: &Arc<Wire>,
    capabilities: Capabilities,
) -> Result<Message, call::Error> {
    let params = json!({
        "protocolVersion": ProtocolVersion::LATEST_LEGACY.as_str(),
        "capabilities": capabilities.to_json(),
        "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
    });
    wire.request(Whose::Initialize, "initialize", Some(&params)).await
}

/// The `InitializeResult` and the revision in it.
pub(in crate::backends) fn accept(answer: &Message) -> Result<(Bytes, ProtocolVersion), OpenError> {
    #[derive(Deserialize)]
    struct Initialized {
        #[serde(rename = "protocolVersion")]
        protocol_version: String,
    }
    let Some(result) = answer.result() else {
        let error = answer.error().unwrap_or_default();
        return Err(OpenError::Refused(String::from_utf8_lossy(&error).into_owned()));
    };
    let initialized: Initialized =
        serde_json::from_slice(&result).map_err(|error| OpenError::BadAnswer(error.to_string()))?;
    let date = initialized.protocol_version;
    match ProtocolVersion::parse(&date).filter(|version| !version.is_modern()) {
        Some(version) => Ok((result, version)),
        None => Err(OpenError::BadAnswer(format!("protocol version {date:?} is unknown"))),
    }
}
