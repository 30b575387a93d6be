//! What a tool that stands for a request of another kind means.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Request, Spelling};
use crate::mcp::member::member;
use crate::mcp::splice::splice;
use crate::mcp::{Message, Span, params};

#[derive(Default, Deserialize)]
struct Arguments<'a> {
    #[serde(borrow, default, deserialize_with = "params::present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "params::present")]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "params::present")]
    arguments: Option<&'a RawValue>,
}

/// The request that is meant: with the same id and `_meta`, every value as it came.
///
/// # Errors
/// With a text that says which argument is missing or wrong.
pub(super) fn meant(spelling: Spelling, request: &Request) -> Result<Request, String> {
    let message = request.message();
    let given = request.params().arguments.map_or(&b"{}"[..], |span| message.bytes(span));
    if given.first() != Some(&b'{') {
        return Err("the arguments must be a JSON object".to_owned());
    }
    let given: Arguments<'_> =
        serde_json::from_slice(given).map_err(|error| format!("invalid arguments: {error}"))?;
    let bytes = match spelling {
        Spelling::CallTool => {
            let name = text(given.name, "name")?;
            let (arguments, _) = object(given.arguments)?;
            let params = request.params();
            let whole =
                [(params.name.as_ref().map(|it| it.span), name), (params.arguments, arguments)];
            let mut edits: Vec<_> =
                whole.iter().filter_map(|(span, with)| Some((*span.as_ref()?, *with))).collect();
            edits.sort_unstable_by_key(|(span, _)| span.start);
            splice(message.raw(), &edits)
        }
        Spelling::GetResource => {
            request_of(message, "resources/read", &[("uri", text(given.uri, "uri")?)])
        }
        Spelling::GetPrompt => {
            let name = ("name", text(given.name, "name")?);
            match object(given.arguments)? {
                (arguments, true) => {
                    request_of(message, "prompts/get", &[name, ("arguments", arguments)])
                }
                (_, false) => request_of(message, "prompts/get", &[name]),
            }
        }
    };
    let message = Message::parse(bytes).map_err(|error| error.to_string())?;
    Request::new(message).map_err(|error| error.to_string())
}

fn text<'a>(raw: Option<&'a RawValue>, argument: &str) -> Result<&'a [u8], String> {
    match raw.map(RawValue::get) {
        Some(text) if text.starts_with('"') => Ok(text.as_bytes()),
        None | Some("null") => Err(format!("{argument} argument is required")),
        Some(_) => Err(format!("{argument} argument must be a string")),
    }
}

/// An object, and whether it was there.
fn object(raw: Option<&RawValue>) -> Result<(&[u8], bool), String> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok((b"{}", false)),
        Some(object) if object.starts_with('{') => Ok((object.as_bytes(), true)),
        Some(_) => Err("arguments must be a JSON object".to_owned()),
    }
}

/// A request with the id and the `_meta` of another one.
fn request_of(message: &Message, method: &str, params: &[(&str, &[u8])]) -> Bytes {
    let given = message.params().unwrap_or(b"{}");
    let meta = member(given, "_meta").ok().flatten();
    let meta = meta.map(|it| ("_meta", &given[it.value.start..it.value.end]));
    let id: Span = message.id_span().expect("a request has an id");
    let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    out.extend_from_slice(message.bytes(id));
    out.extend_from_slice(format!(r#","method":"{method}","params":{{"#).as_bytes());
    for (at, (name, value)) in params.iter().copied().chain(meta).enumerate() {
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"{name}\":").as_bytes());
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"}}");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(spelling: Spelling, arguments: &str) -> Result<String, String> {
        let text = format!(
            r#"{{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{{"_meta":{{"progressToken":1}},"arguments":{arguments},"name":"x"}}}}"#
        );
        let request = Request::new(Message::parse(Bytes::from(text)).unwrap()).unwrap();
        let meant = meant(spelling, &request)?;
        Ok(String::from_utf8(meant.message().raw().to_vec()).unwrap())
    }

    #[test]
    fn what_is_meant_keeps_id_meta_and_every_value_as_it_came() {
        let asked = |spelling, arguments| asked(spelling, arguments).unwrap();
        assert_eq!(
            asked(Spelling::CallTool, r#"{"name":"a\u0062","arguments":{"n": 1.0}}"#),
            r#"{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{"_meta":{"progressToken":1},"arguments":{"n": 1.0},"name":"a\u0062"}}"#
        );
        assert_eq!(
            asked(Spelling::CallTool, r#"{"name":"a","arguments":null}"#),
            r#"{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{"_meta":{"progressToken":1},"arguments":{},"name":"a"}}"#
        );
        assert_eq!(
            asked(Spelling::GetResource, r#"{"uri":"a://b"}"#),
            r#"{"jsonrpc":"2.0","id":"7","method":"resources/read","params":{"uri":"a://b","_meta":{"progressToken":1}}}"#
        );
        assert_eq!(
            asked(Spelling::GetPrompt, r#"{"arguments":{"x":"y"},"name":"p"}"#),
            r#"{"jsonrpc":"2.0","id":"7","method":"prompts/get","params":{"name":"p","arguments":{"x":"y"},"_meta":{"progressToken":1}}}"#
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (spelling, arguments, said) in [
            (Spelling::CallTool, "{}", "name argument is required"),
            (Spelling::CallTool, r#"{"name":5}"#, "name argument must be a string"),
            (
                Spelling::CallTool,
                r#"{"name":"a","arguments":[]}"#,
                "arguments must be a JSON object",
            ),
            (Spelling::CallTool, r#"["a"]"#, "the arguments must be a JSON object"),
            (Spelling::CallTool, r#"{"name":"a","name":"b"}"#, "duplicate field"),
            (Spelling::GetResource, r#"{"uri":null}"#, "uri argument is required"),
            (
                Spelling::GetPrompt,
                r#"{"name":"a","arguments":"b"}"#,
                "arguments must be a JSON object",
            ),
        ] {
            let error = asked(spelling, arguments).unwrap_err();
            assert!(error.contains(said), "{arguments}: {error}");
        }
    }
}
