//! The few parameters that routing needs, as spans of the message they came in.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::member::{named, plain};
pub use super::message::present;
use super::scan::pick;
use super::splice::moved;
use super::{Message, RequestId, Span};

/// Parameters that say where a request goes, and its progress token.
///
/// Everything else in `params` is carried along unread.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// `name`: a tool or a prompt.
    pub name: Option<Text>,
    /// `uri`: a resource.
    pub uri: Option<Text>,
    /// `cursor`: where a list goes on.
    pub cursor: Option<Text>,
    /// `ref` of `completion/complete`.
    pub reference: Option<Reference>,
    /// `arguments`, raw.
    pub arguments: Option<Span>,
    /// `_meta.progressToken`, raw: a string or an integer.
    pub progress_token: Option<Span>,
}

/// A string parameter: its value and where its literal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The value, unescaped.
    pub value: Box<str>,
    /// The JSON literal with its quotes.
    pub span: Span,
}

/// What `completion/complete` completes an argument of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `ref/prompt`: the prompt's name.
    Prompt(Text),
    /// `ref/resource`: a URI or a URI template.
    Resource(Text),
}

/// Why parameters cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("invalid params: {0}")]
pub struct InvalidParams(pub String);

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, deserialize_with = "present", rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawReference<'a> {
    r#type: Box<str>,
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    uri: Option<&'a RawValue>,
}

impl Params {
    /// Reads the parameters of a request or notification.
    ///
    /// # Errors
    /// When they are not an object, a field that is read occurs twice, be it in another case, or
    /// one has the wrong type.
    pub fn parse(message: &Message) -> Result<Self, InvalidParams> {
        let Some(params) = message.params() else { return Ok(Self::default()) };
        let names = ["name", "uri", "cursor", "ref", "arguments", "_meta"];
        let [name, uri, cursor, target, arguments, meta] = named(params, names).map_err(invalid)?;
        let whole = message.raw();
        Ok(Self {
            name: name.map(|raw| text(whole, raw, "name")).transpose()?,
            uri: uri.map(|raw| text(whole, raw, "uri")).transpose()?,
            cursor: cursor.map(|raw| text(whole, raw, "cursor")).transpose()?,
            reference: target.map(|raw| reference(whole, raw)).transpose()?,
            arguments: arguments.map(|raw| Span::of(whole, raw)),
            progress_token: meta.map(|raw| progress_token(whole, raw)).transpose()?.flatten(),
        })
    }

    /// The parameters of [`Message::spliced`]: the name is read again, everything else stands where it
    /// has moved to.
    ///
    /// # Errors
    /// When the name is not a string any more.
    pub(crate) fn spliced(
        &self,
        edits: &[(Span, &[u8])],
        spliced: &Message,
    ) -> Result<Self, InvalidParams> {
        let at = |span| moved(span, edits);
        let other = |text: &Text| Text { value: text.value.clone(), span: at(text.span) };
        let name = |name: &Text| text(spliced.raw(), spliced.bytes(at(name.span)), "name");
        Ok(Self {
            name: self.name.as_ref().map(name).transpose()?,
            uri: self.uri.as_ref().map(other),
            cursor: self.cursor.as_ref().map(other),
            reference: self.reference.as_ref().map(|reference| match reference {
                Reference::Prompt(text) => Reference::Prompt(other(text)),
                Reference::Resource(text) => Reference::Resource(other(text)),
            }),
            arguments: self.arguments.map(at),
            progress_token: self.progress_token.map(at),
        })
    }
}

/// The progress token of a `notifications/progress`, raw.
pub fn progress_token_of(message: &Message) -> Option<Span> {
    token_in(message.params()?).ok()?.map(|raw| Span::of(message.raw(), raw))
}

/// The `requestId` of a `notifications/cancelled`.
pub fn cancelled_request(message: &Message) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow, rename = "requestId")]
        request_id: &'a RawValue,
    }
    let cancelled: Cancelled<'_> = serde_json::from_slice(message.params()?).ok()?;
    let id = cancelled.request_id.get().as_bytes();
    RequestId::from_raw(message.raw().slice_ref(id))
}

/// Whether the result of a `tools/call` says `"isError": true`.
pub fn says_is_error(result: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ToolResult {
        #[serde(default, rename = "isError")]
        is_error: bool,
        #[serde(default, rename = "content")]
        _content: Option<IgnoredAny>,
    }
    match pick(result, ["isError", "content"]) {
        Some([is_error, _]) => is_error == Some(b"true"),
        None => serde_json::from_slice::<ToolResult>(result).is_ok_and(|result| result.is_error),
    }
}

fn text(whole: &[u8], raw: &[u8], field: &str) -> Result<Text, InvalidParams> {
    let value = match plain(raw) {
        Some(text) => text.into(),
        None => serde_json::from_slice(raw).map_err(|_| {
            InvalidParams(format!("\"{field}\" must be a string, not {}", excerpt(raw)))
        })?,
    };
    Ok(Text { value, span: Span::of(whole, raw) })
}

fn reference(whole: &[u8], raw: &[u8]) -> Result<Reference, InvalidParams> {
    let parsed: RawReference<'_> = serde_json::from_slice(raw).map_err(invalid)?;
    match (&*parsed.r#type, parsed.name, parsed.uri) {
        ("ref/prompt", Some(name), _) => {
            text(whole, name.get().as_bytes(), "ref.name").map(Reference::Prompt)
        }
        ("ref/resource", _, Some(uri)) => {
            text(whole, uri.get().as_bytes(), "ref.uri").map(Reference::Resource)
        }
        _ => Err(InvalidParams(
            "\"ref\" must be a ref/prompt with a name or a ref/resource with a uri".to_owned(),
        )),
    }
}

/// The progress token in `_meta`, or in the parameters of a `notifications/progress`.
fn token_in(object: &[u8]) -> Result<Option<&[u8]>, serde_json::Error> {
    if let Some([token]) = pick(object, ["progressToken"]) {
        return Ok(token);
    }
    let meta: Meta<'_> = serde_json::from_slice(object)?;
    Ok(meta.progress_token.map(|raw| raw.get().as_bytes()))
}

fn progress_token(whole: &[u8], meta: &[u8]) -> Result<Option<Span>, InvalidParams> {
    if meta == b"null" {
        return Ok(None);
    }
    let Some(token) = token_in(meta).map_err(invalid)? else { return Ok(None) };
    let is_token = matches!(token.first(), Some(b'"' | b'-' | b'0'..=b'9'));
    if !is_token {
        return Err(InvalidParams("\"progressToken\" must be a string or a number".to_owned()));
    }
    Ok(Some(Span::of(whole, token)))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn invalid(error: serde_json::Error) -> InvalidParams {
    InvalidParams(error.to_string())
}

fn excerpt(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    let text: String = raw.chars().take(40).collect();
    if text.len() < raw.len() { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn params(json: &str) -> Result<Params, InvalidParams> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{json}}}"#);
        Params::parse(&Message::parse(Bytes::from(text)).unwrap())
    }

    #[test]
    fn names_are_unescaped_and_their_literal_is_found() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\u0062"}}"#;
        let message = Message::parse(Bytes::from(text)).unwrap();
        let name = Params::parse(&message).unwrap().name.unwrap();
        assert_eq!(&*name.value, "ab");
        assert_eq!(message.bytes(name.span), br#""a\u0062""#);
    }

    #[test]
    fn wrong_params_are_refused_with_their_reason() {
        for (name, json, reason) in [
            ("a number as name", r#"{"name":5}"#, "\"name\" must be a string, not 5"),
            ("a null as name", r#"{"name":null}"#, "\"name\" must be a string"),
            ("two names", r#"{"name":"a","name":"b"}"#, "duplicate field"),
            ("a name in two cases", r#"{"name":"a","Name":"b"}"#, "must be written \"name\""),
            ("an object as token", r#"{"_meta":{"progressToken":{}}}"#, "progressToken"),
            ("a ref without a name", r#"{"ref":{"type":"ref/prompt"}}"#, "\"ref\" must be"),
        ] {
            let error = params(json).expect_err(name).to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn a_tool_error_is_seen_and_a_success_is_not_taken_for_one() {
        assert!(says_is_error(br#"{"content":[],"isError":true}"#));
        assert!(!says_is_error(br#"{"content":[{"type":"text","text":"isError"}]}"#));
        assert!(!says_is_error(b"null"));
    }
}
