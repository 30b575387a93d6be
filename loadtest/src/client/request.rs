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
        write!(self.space, r#"{{"jsonrpc":"2.0","id":{number}{middle}{begun}"#).expect(fits);
        let head = self.space.split().freeze();
        let rest = self.rest.slice(self.filling - self.fill()..);
        Body { head, rest }
    }

    /// What the answer to the last call has to be.
    pub(crate) fn expected(&self, number: u64) -> Expected<'_> {
        Expected {
            number,
            method: self.method,
            begun: &self.message,
            filling: &self.rest[..self.fill()],
        }
    }

    /// How long the filling of the last message is.
    fn fill(&self) -> usize {
        self.filling.saturating_sub(self.message.len())
    }
}
