//! Ids on the wire: ours towards the backend, the caller's on the way back.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::call::{Outcome, Request, Response};
use crate::mcp::params::progress_token_of;
use crate::mcp::splice::{moved, quoted, splice};
use crate::mcp::{Message, RequestId, Span};

/// What a request names, under the backend's own name for it; `None` leaves it as it came.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The tool or prompt.
    pub name: Option<std::sync::Arc<str>>,
}

/// What the caller used, kept while the request is under way under an id of ours.
#[derive(Clone, Debug)]
pub struct Caller {
    id: RequestId,
    progress_token: Option<Bytes>,
}

impl Caller {
    /// Remembers the id and the progress token of a request.
    pub fn of(request: &Request) -> Self {
        let token = request.params().progress_token.map(|span| request.message().slice(span));
        Self { id: request.id().clone(), progress_token: token }
    }

    /// The caller's own id.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The backend's response under the caller's id.
    pub fn response(&self, response: Message) -> Response {
        let (outcome, id) = (Outcome::of(&response), self.id.as_bytes());
        let result = response.result_span().map(|span| match response.id_span() {
            Some(theirs) => moved(span, &[(theirs, id)]),
            None => span,
        });
        Response { bytes: response.with_id(id), outcome, result }
    }

    /// A progress notification under the caller's token; `None` if the caller asked for none.
    pub fn progress(&self, notification: &Message) -> Option<Bytes> {
        let theirs = self.progress_token.as_ref()?;
        let ours = progress_token_of(notification)?;
        Some(splice(notification.raw(), &[(ours, theirs)]))
    }
}

/// The request as the backend gets it: `wire_id` as its id and, if the caller wants progress, as
/// its progress token; names as the backend knows them; every other byte as it came.
pub fn outgoing(request: &Request, wire_id: u64, target: &Target) -> Bytes {
    let (message, params) = (request.message(), request.params());
    let mut id = itoa::Buffer::new();
    let id = id.format(wire_id).as_bytes();
    let name = target.name.as_deref().map(quoted);
    let mut edits: SmallVec<[(Span, &[u8]); 3]> = SmallVec::new();
    edits.push((message.id_span().expect("a request has an id"), id));
    if let (Some(text), Some(name)) = (&params.name, &name) {
        edits.push((text.span, name));
    }
    if let (Some(crate::mcp::params::Reference::Prompt(text)), Some(name)) =
        (&params.reference, &name)
    {
        edits.push((text.span, name));
    }
    if let Some(token) = params.progress_token {
        edits.push((token, id));
    }
    edits.sort_unstable_by_key(|(span, _)| span.start);
    splice(message.raw(), &edits)
}

/// The id of ours that a progress notification speaks of.
pub fn progress_wire_id(notification: &Message) -> Option<u64> {
    let token = progress_token_of(notification)?;
    std::str::from_utf8(notification.bytes(token)).ok()?.parse().ok()
}

/// `notifications/cancelled` for a request of ours.
pub fn cancelled(wire_id: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{wire_id},"reason":"the client gave the request up"}}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &'static str) -> Request {
        Request::new(Message::parse(Bytes::from_static(text.as_bytes())).unwrap()).unwrap()
    }

    const CALL: &str = r#"{"params":{"_meta":{"progressToken":"p","x":1},"arguments":{"a" : 1},
 "name":"x_time_now"},"id":"one","jsonrpc":"2.0","method":"tools/call"}"#;

    #[test]
    fn only_id_name_and_token_change_on_the_way_out() {
        let target = Target { name: Some("now".into()) };
        assert_eq!(
            outgoing(&request(CALL), 7, &target),
            r#"{"params":{"_meta":{"progressToken":7,"x":1},"arguments":{"a" : 1},
 "name":"now"},"id":7,"jsonrpc":"2.0","method":"tools/call"}"#
        );
    }

    #[test]
    fn the_caller_gets_its_own_id_and_token_back() {
        let caller = Caller::of(&request(CALL));
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#;
        let progress = Message::parse(Bytes::from(progress)).unwrap();
        assert_eq!(progress_wire_id(&progress), Some(7));
        let restored = caller.progress(&progress).unwrap();
        assert!(restored.ends_with(br#"{"progressToken":"p","progress":1}}"#));

        let response = r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true}}"#;
        let restored = caller.response(Message::parse(Bytes::from(response)).unwrap());
        assert_eq!(restored.bytes, r#"{"jsonrpc":"2.0","id":"one","result":{"isError":true}}"#);
        assert_eq!(restored.outcome, Outcome::ErrorResult);
        let Span { start, end } = restored.result.unwrap();
        assert_eq!(&restored.bytes[start..end], br#"{"isError":true}"#);
    }
}
