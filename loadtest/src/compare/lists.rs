//! What a gateway answers to `tools/list`, byte for byte.

use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Connection, LIST_ID, Session};
use crate::load::Endpoint;

/// The whole answer, as the generator asks for it.
pub(super) async fn list(gateway: &Endpoint) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::new(gateway).await?;
    let session = Session::open(&mut connection).await?;
    let request = json!({ "jsonrpc": "2.0", "id": LIST_ID, "method": "tools/list" });
    let body = request.to_string().into();
    let answer = connection.exchange(Method::POST, Some(&session), body).await?;
    answer.expect(StatusCode::OK)?;
    let list = answer.body.to_vec();
    session.close(&mut connection).await;
    Ok(list)
}
