//! What a tool that stands for a request of another kind means.

use std::borrow::Cow;

use crate::call::{Request, Spelling, refuse_unknown};
use crate::mcp::member::texts;
use crate::mcp::splice::quoted;
use crate::mcp::{Message, Span};
use bytes::Bytes;
use smallvec::SmallVec;

/// The members of an object, raw.
type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The request that is meant: with the same id and the same other parameters, every value as it
/// came.
///
/// # Errors
/// With a text that says which argument is missing or wrong.
pub(super) fn meant(spelling: Spelling, request: &Request) -> Result<Request, String> {
    let message = request.message();
    let given = request.params().arguments.map_or(&b"{}"[..], |span| message.bytes(span));
    let allowed: &[_] = match spelling {
        Spelling::CallTool | Spelling::GetPrompt => &["name", "arguments"],
        Spelling::GetResource => &["uri"],
    };
    let given = read(given, allowed)?;
    let argument = |name| given.iter().find(|(it, _)| it == name).map(|(_, value)| *value);
    let bytes = match spelling {
        Spelling::CallTool => {
            let name = text(argument("name"), "name")?;
            let arguments = object(argument("arguments"))?.unwrap_or(b"{}");
            let params = request.params();
            let whole =
                [(params.name.as_ref().map(|it| it.span), name), (params.arguments, arguments)];
            let mut edits: SmallVec<[_; 2]> =
                whole.iter().filter_map(|(span, with)| Some((*span.as_ref()?, *with))).collect();
            edits.sort_unstable_by_key(|(span, _)| span.start);
            return request.spliced(&edits).map_err(|error| error.to_string());
        }
        Spelling::GetResource => {
            request_of(message, "resources/read", &[("uri", text(argument("uri"), "uri")?)])
        }
        Spelling::GetPrompt => {
            let mut params = vec![("name", text(argument("name"), "name")?)];
            params.extend(object(argument("arguments"))?.map(|it| ("arguments", it)));
            request_of(message, "prompts/get", &params)
        }
    };
    let message = Message::parse(bytes).map_err(|error| error.to_string())?;
    Request::new(message).map_err(|error| error.to_string())
}

/// The arguments with their names, each once.
fn read<'a>(given: &'a [u8], allowed: &[&str]) -> Result<Members<'a>, String> {
    let members = texts(given).ok_or("arguments must be a JSON object")?;
    refuse_unknown(members.iter().map(|(name, _)| &**name), allowed)?;
    // There are no more of them than are allowed before one comes again.
    for (at, (name, _)) in members.iter().enumerate() {
        if members[..at].iter().any(|(before, _)| before == name) {
            return Err(format!("{name} stands there twice"));
        }
    }
    Ok(members)
}

fn text<'a>(raw: Option<&'a str>, argument: &str) -> Result<&'a [u8], String> {
    match raw {
        None | Some("null" | "\"\"") => Err(format!("{argument} argument is required")),
        Some(text) if text.starts_with('"') => Ok(text.as_bytes()),
        Some(_) => Err(format!("{argument} must be a string")),
    }
}

/// An object, if it is there.
fn object(raw: Option<&str>) -> Result<Option<&[u8]>, String> {
    match raw {
        None | Some("null") => Ok(None),
        Some(object) if object.starts_with('{') => Ok(Some(object.as_bytes())),
        Some(_) => Err("arguments must be a JSON object".to_owned()),
    }
}

/// A request with the id of another one and those of its parameters that belong to any request:
/// `_meta`, and what revisions still to come put beside it.
fn request_of(message: &Message, method: &str, params: &[(&str, &[u8])]) -> Bytes {
    let given = texts(message.params().unwrap_or(b"{}")).unwrap_or_default();
    let own = ["name", "arguments", "uri"];
    let kept = given.iter().filter(|(name, _)| !own.contains(&&**name));
    let kept = kept.map(|(name, value)| (&**name, value.as_bytes()));
    let id: Span = message.id_span().expect("a request has an id");
    let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    out.extend_from_slice(message.bytes(id));
    out.extend_from_slice(format!(r#","method":"{method}","params":{{"#).as_bytes());
    for (at, (name, value)) in params.iter().copied().chain(kept).enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        out.extend_from_slice(&quoted(name));
        out.push(b':');
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
            r#"{{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{{"_meta":{{"progressToken":1}},"x":[1.0],"arguments":{arguments},"name":"x"}}}}"#
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
            r#"{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{"_meta":{"progressToken":1},"x":[1.0],"arguments":{"n": 1.0},"name":"a\u0062"}}"#
        );
        assert_eq!(
            asked(Spelling::CallTool, r#"{"name":"a","arguments":null}"#),
            r#"{"id":"7","jsonrpc":"2.0","method":"tools/call","params":{"_meta":{"progressToken":1},"x":[1.0],"arguments":{},"name":"a"}}"#
        );
        assert_eq!(
            asked(Spelling::GetResource, r#"{"uri":"a://b"}"#),
            r#"{"jsonrpc":"2.0","id":"7","method":"resources/read","params":{"uri":"a://b","_meta":{"progressToken":1},"x":[1.0]}}"#
        );
        assert_eq!(
            asked(Spelling::GetPrompt, r#"{"arguments":{"x":"y"},"name":"p"}"#),
            r#"{"jsonrpc":"2.0","id":"7","method":"prompts/get","params":{"name":"p","arguments":{"x":"y"},"_meta":{"progressToken":1},"x":[1.0]}}"#
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (spelling, arguments, said) in [
            (Spelling::CallTool, "{}", "name argument is required"),
            (Spelling::CallTool, r#"{"name":5}"#, "name must be a string"),
            (
                Spelling::CallTool,
                r#"{"name":"a","arguments":[]}"#,
                "arguments must be a JSON object",
            ),
            (Spelling::CallTool, r#"["a"]"#, "arguments must be a JSON object"),
            (Spelling::CallTool, r#"{"name":"a","name":"b"}"#, "name stands there twice"),
            (Spelling::CallTool, r#"{"name":""}"#, "name argument is required"),
            (
                Spelling::CallTool,
                r#"{"name":"a","args":{}}"#,
                "unknown args: [args]. Allowed args: [name, arguments]",
            ),
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
