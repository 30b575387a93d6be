//! How a call ended.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::mcp::{Message, params};

static IS_ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"isError\""));

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
    /// A result is read a second time only if `"isError": true` stands in it somewhere.
    pub fn of(response: &Message) -> Self {
        if response.is_error() {
            return Self::Error;
        }
        match response.result() {
            Some(result) if may_be_error(&result) && params::says_is_error(&result) => {
                Self::ErrorResult
            }
            _ => Self::Ok,
        }
    }
}

/// Whether a member `isError` is true anywhere in it. What a string quotes does not count: there,
/// the first of the two quotation marks would have a backslash before the other one.
fn may_be_error(result: &[u8]) -> bool {
    let is_true = |behind: &[u8]| {
        let value = behind.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    };
    IS_ERROR.find_iter(result).any(|at| is_true(&result[at + IS_ERROR.needle().len()..]))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn only_a_result_that_says_so_itself_is_an_error() {
        for (result, expected) in [
            (r#"{"content":[],"isError":true}"#, Outcome::ErrorResult),
            (r#"{"isError" :  true,"content":[]}"#, Outcome::ErrorResult),
            (r#"{"isError":false,"x":{"isError":true}}"#, Outcome::Ok),
            (r#"{"x":{"isError":false},"isError":true}"#, Outcome::ErrorResult),
            (r#"{"isError":false}"#, Outcome::Ok),
            (r#"{"content":[{"type":"text","text":"{\"isError\": true}"}]}"#, Outcome::Ok),
            (r#"["isError", true]"#, Outcome::Ok),
            ("{}", Outcome::Ok),
        ] {
            let response = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            let response = Message::parse(Bytes::from(response)).unwrap();
            assert_eq!(Outcome::of(&response), expected, "{result}");
        }
    }
}
