//! The calls, written without a tree and without copying what is the same in all of them.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::answer::Expected;
use super::body::Body;
use crate::load::Method;

/// Writes one call after the other.
pub(crate) struct Requests {
    method: Method,
    /// What stands between id and message, for each tool.
    middles: Vec<String>,
    /// The filling of the longest message, and the end of the request.
    rest: Bytes,
    /// How much of that is filling.
    filling: usize,
    /// Where the beginnings are written; hyper gives the space back when it has sent them.
    space: BytesMut,
    /// The beginning of the last message.
    message: String,
}

/// The id of every request for a list: so that one answer fits them all, and can be served by who knows nothing of ids.
pub(crate) const LIST_ID: u64 = 1;
/// How much space is asked for at once.
const SPACE: usize = 16 * 1024;

impl Requests {
    pub(crate) fn new(method: Method, tools: &[String], request_size: usize) -> Self {
        let call = |name: &str, arguments: &str| {
            let name = Value::from(name);
            format!(r#","method":"tools/call","params":{{"name":{name},"arguments":{arguments}"#)
        };
        let message = r#"{"message":""#;
        let (middles, end) = match method {
            Method::List => (vec![r#","method":"tools/list"}"#.to_owned()], ""),
            Method::Call => (tools.iter().map(|tool| call(tool, message)).collect(), r#""}}}"#),
            Method::CallTool => {
                let inner = |tool: &String| {
                    let arguments =
                        format!(r#"{{"name":{},"arguments":{message}"#, Value::from(&**tool));
                    call("call_tool", &arguments)
                };
                (tools.iter().map(inner).collect(), r#""}}}}"#)
            }
        };
        let filling = if method == Method::List { 0 } else { request_size };
        let mut rest = vec![b'x'; filling];
        rest.extend_from_slice(end.as_bytes());
        Self {
            method,
            middles,
            rest: rest.into(),
            filling,
            space: BytesMut::new(),
            message: String::new(),
        }
    }

    /// The call with this number, of the tool whose turn it is.
    pub(crate) fn call(&mut self, number: u64) -> Body {
        let turn = usize::try_from(number % self.middles.len() as u64).expect("less than a usize");
        let middle = &self.middles[turn];
        self.message.clear();
        let fits = "a String grows";
        write!(self.message, "call {number}").expect(fits);
        let begun = if self.method == Method::List { "" } else { self.message.as_str() };
        if self.space.capacity() < middle.len() + 100 {
            self.space.reserve(SPACE);
        }
        let id = self.id(number);
        write!(self.space, r#"{{"jsonrpc":"2.0","id":{id}{middle}{begun}"#).expect(fits);
        let head = self.space.split().freeze();
        let rest = self.rest.slice(self.filling - self.fill()..);
        Body { head, rest }
    }

    /// What the answer to the last call has to be.
    pub(crate) fn expected(&self, number: u64) -> Expected<'_> {
        Expected {
            number: self.id(number),
            method: self.method,
            begun: &self.message,
            filling: &self.rest[..self.fill()],
        }
    }

    fn id(&self, number: u64) -> u64 {
        if self.method == Method::List { LIST_ID } else { number }
    }

    /// How long the filling of the last message is.
    fn fill(&self) -> usize {
        self.filling.saturating_sub(self.message.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(requests: &mut Requests, number: u64) -> Value {
        let Body { head, rest } = requests.call(number);
        serde_json::from_slice(&[head, rest].concat()).expect("JSON")
    }

    fn requests(method: Method, request_size: usize) -> Requests {
        Requests::new(method, &["a".to_owned(), "b\"".to_owned()], request_size)
    }

    #[test]
    fn each_method_has_its_request_and_tools_take_turns() {
        let call = |id: u64, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let mut direct = requests(Method::Call, 0);
        for (number, tool) in [(2, "a"), (3, "b\"")] {
            let arguments = json!({"message": format!("call {number}")});
            let params = json!({"name": tool, "arguments": arguments});
            assert_eq!(written(&mut direct, number), call(number, params.clone()));
            let params = json!({"name": "call_tool", "arguments": params});
            assert_eq!(written(&mut requests(Method::CallTool, 0), number), call(number, params));
        }
        let list = json!({"jsonrpc": "2.0", "id": LIST_ID, "method": "tools/list"});
        assert_eq!(written(&mut requests(Method::List, 1000), 7), list);
    }

    #[test]
    fn messages_have_the_size_that_was_asked_for_and_are_expected_back() {
        for (size, number, message) in [
            (0, 1, "call 1".to_owned()),
            (3, 1, "call 1".to_owned()),
            (7, 1, "call 1x".to_owned()),
            (7, 12, "call 12".to_owned()),
            (7, 123, "call 123".to_owned()),
            (100_000, 4, format!("call 4{}", "x".repeat(99_994))),
        ] {
            let mut requests = requests(Method::Call, size);
            let request = written(&mut requests, number);
            assert_eq!(request["params"]["arguments"]["message"], message, "{size}");
            let Expected { begun, filling, .. } = requests.expected(number);
            assert_eq!([begun.as_bytes(), filling].concat(), message.as_bytes(), "{size}");
        }
    }
}
