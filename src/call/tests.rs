//! Calls for the tests of other modules.

use std::sync::Arc;

use bytes::Bytes;

use super::{Call, Client, Endpoint, Principal, Request, Via};
use crate::mcp::{Capabilities, Message, ProtocolVersion};

/// A call of somebody anonymous to `/mcp`.
pub(crate) fn call(message: &str) -> Call {
    let message = Message::parse(Bytes::copy_from_slice(message.as_bytes())).unwrap();
    Call {
        version: ProtocolVersion::V2025_11_25,
        client: Client { capabilities: Capabilities::NONE, log_level: None, session: None },
        principal: Arc::new(Principal::anonymous()),
        endpoint: Endpoint::Aggregate,
        request: Request::new(message).unwrap(),
        trace: None,
        via: Via::Native,
        deadline: None,
        notes: Arc::default(),
    }
}

/// A `tools/list`.
pub(crate) fn list_tools() -> Call {
    call(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
}
