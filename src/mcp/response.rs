//! JSON-RPC responses that we write ourselves.

use bytes::Bytes;
use serde_json::json;

use super::RequestId;

/// Codes of JSON-RPC 2.0 §5.1, and those MCP adds.
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// Not a JSON-RPC message, or not one that may be sent here.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The method has no use for these parameters.
    pub const INVALID_PARAMS: i64 = -32602;
    /// We failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// MCP up to 2025-11-25, Resources, "Error Handling".
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
}

/// An error response; without an id (JSON `null`) if the request could not be read.
pub fn error(
    id: Option<&RequestId>,
    code: i64,
    message: &str,
    data: Option<&serde_json::Value>,
) -> Bytes {
    let mut error = json!({ "code": code, "message": message });
    if let Some(data) = data {
        error["data"] = data.clone();
    }
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.map_or(b"null", RequestId::as_bytes));
    out.extend_from_slice(br#","error":"#);
    serde_json::to_writer(&mut out, &error).expect("writing to a vector does not fail");
    out.push(b'}');
    out.into()
}

/// A successful response with a result that is JSON already.
pub fn result(id: &RequestId, result: &[u8]) -> Bytes {
    result_of(id, result.len(), |out| out.extend_from_slice(result))
}

/// A successful response with the JSON that `write` appends: some `size` bytes.
pub fn result_of(id: &RequestId, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(size + 48);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","result":"#);
    write(&mut out);
    out.push(b'}');
    out.into()
}
