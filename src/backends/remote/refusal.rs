//! An HTTP error in answer to a message.

use std::time::Duration;

use http::{Response, StatusCode};
use serde::Deserialize;
use tokio::time;

use super::{Endpoint, excerpt};
use crate::call;
use crate::mcp::Message;
use crate::outbound::Body;

/// How much of an error's body is read.
const READ: usize = 64 << 10;
/// How long it may take to come.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// An HTTP error, and what came with it.
#[derive(Debug)]
pub(in crate::backends) struct Refusal {
    pub(in crate::backends) status: StatusCode,
    text: String,
    error: Option<Message>,
}

impl Refusal {
    pub(in crate::backends) async fn read(response: Response<Body>) -> Self {
        let status = response.status();
        let body = time::timeout(READ_WITHIN, response.into_body().collect(READ)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let error = Message::parse(body.clone()).ok().filter(Message::is_error);
        let text = match error.as_ref().and_then(words) {
            Some(words) => excerpt(words.as_bytes()),
            None => excerpt(&body),
        };
        Self { status, text, error }
    }

    /// Whether the server may have forgotten our session.
    ///
    /// The specification says 404, the most used server says 400 (also for what is simply wrong),
    /// and a 404 may also be the answer to a request that was understood.
    pub(in crate::backends) fn may_be_session_loss(&self, wire_id: u64) -> bool {
        let speaks_of_session = || {
            let text = self.text.to_ascii_lowercase();
            text.contains("session") || text.contains("not initialized")
        };
        match self.status {
            StatusCode::NOT_FOUND => !self.answers_exactly(wire_id) || speaks_of_session(),
            StatusCode::BAD_REQUEST => speaks_of_session(),
            _ => false,
        }
    }

    /// The response that the server gave with the status, or what is wrong with the backend.
    pub(in crate::backends) fn into_response(
        self,
        endpoint: &Endpoint,
        wire_id: u64,
    ) -> Result<Message, call::Error> {
        // An id that is no number of ours stands for "the request could not be read": null, or
        // what some servers write instead.
        let relates = self.error.as_ref().and_then(Message::id).and_then(|id| id.as_u64());
        if !self.is_denial()
            && relates.is_none_or(|id| id == wire_id)
            && let Some(error) = self.error
        {
            return Ok(error);
        }
        Err(self.failure(endpoint))
    }

    /// What is wrong with the backend, if the status is all that there is to say.
    pub(in crate::backends) fn failure(&self, endpoint: &Endpoint) -> call::Error {
        let credentials = " (it wants credentials: set them in spec.headers)";
        let hint = if self.is_denial() { credentials } else { "" };
        let colon = if self.text.is_empty() { "" } else { ": " };
        endpoint.bad_answer(format!("HTTP {}{hint}{colon}{}", self.status.as_u16(), self.text))
    }

    fn is_denial(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// Whether the server gave a JSON-RPC error with the status.
    pub(in crate::backends) fn is_json_rpc(&self) -> bool {
        self.error.is_some()
    }

    /// What the server said, for a log line.
    pub(in crate::backends) fn text(&self) -> &str {
        &self.text
    }

    /// The response to the request of that id, if it is one.
    pub(in crate::backends) fn answers_exactly(&self, wire_id: u64) -> bool {
        let id = self.error.as_ref().and_then(Message::id);
        id.is_some_and(|id| id.as_u64() == Some(wire_id))
    }
}

/// The `message` of a JSON-RPC error.
pub(in crate::backends) fn words(response: &Message) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    serde_json::from_slice::<Error>(&response.error()?).ok().map(|error| error.message)
}
