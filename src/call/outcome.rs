//! How a call ended.

use crate::mcp::{Message, params};

/// How a call ended, as logs and metrics say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A result.
    Ok,
    /// A JSON-RPC error, the backend's or ours.
    Error,
    /// The result of a tool that says `"isError": true`.
    ErrorResult,
    /// Refused by policy.
    Denied,
    /// Refused by a limit.
    Limited,
    /// No answer in time.
    Timeout,
    /// Given up by the client.
    Cancelled,
}

impl Outcome {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::ErrorResult => "error_result",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome that a backend's response tells.
    ///
    /// A large result is read a second time only if the words `"isError"` stand in it at all.
    pub fn of(response: &Message) -> Self {
        if response.is_error() {
            return Self::Error;
        }
        match response.result() {
            Some(result) if mentions_is_error(&result) && params::says_is_error(&result) => {
                Self::ErrorResult
            }
            _ => Self::Ok,
        }
    }
}

fn mentions_is_error(result: &[u8]) -> bool {
    memchr::memmem::find(result, b"\"isError\"").is_some()
}
