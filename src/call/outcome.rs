//! How a call ended.

use std::sync::LazyLock;

use memchr::memmem::Finder;

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
    /// A result is read a second time only if `"isError"` stands in it anywhere, and `true` with it.
    pub fn of(response: &Message) -> Self {
        if response.is_error() {
            return Self::Error;
        }
        match response.result() {
            Some(result) if may_say_is_error(&result) && params::says_is_error(&result) => {
                Self::ErrorResult
            }
            _ => Self::Ok,
        }
    }
}

fn may_say_is_error(result: &[u8]) -> bool {
    static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"isError\""));
    let is_true = |at: usize| {
        let rest = result[at + NAME.needle().len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    };
    NAME.find_iter(result).any(is_true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_error_is_told_from_a_result_that_only_speaks_of_one() {
        for (result, outcome) in [
            (r#"{"content":[],"isError":true}"#, Outcome::ErrorResult),
            (r#"{"isError" : true , "content":[]}"#, Outcome::ErrorResult),
            (r#"{"x":{"isError":false},"isError":true}"#, Outcome::ErrorResult),
            (r#"{"content":[],"isError":false}"#, Outcome::Ok),
            (r#"{"structuredContent":{"isError":true}}"#, Outcome::Ok),
            (r#"{"x":["isError"]}"#, Outcome::Ok),
            (r#""isError""#, Outcome::Ok),
            ("{}", Outcome::Ok),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            assert_eq!(Outcome::of(&Message::parse(text.into()).unwrap()), outcome, "{result}");
        }
    }
}
